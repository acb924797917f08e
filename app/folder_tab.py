"""The tab for many photos: its components, and what each of them does."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from deid.commands.words import duration
from deid.types import FolderResult

from . import words
from .folder_run import FolderRun, RunProgress, begin_run, results_zip, row_of, table_rows
from .page import error_message, options_from, run_job, session_of, settings_fields, status_line
from .people import told_about
from .service import Service
from .sessions import Session
from .uploads import Unpacked, unpack

Update = dict[Any, Any]
HEADERS = ["Photo", "Name", "Outcome", "Note"]


@dataclass(frozen=True, eq=False)
class FolderTab:
    """The components; the methods are what happens when one is used."""

    service: Service
    unpacked: gr.State
    running: gr.State
    finished: gr.State
    upload: gr.File
    settings: list[Component]
    write_unverified: gr.Checkbox
    include_faceless: gr.Checkbox
    start: gr.Button
    pause: gr.Button
    cancel: gr.Button
    status: gr.HTML
    save: gr.DownloadButton
    audit: gr.Button
    rows: gr.Dataframe

    def on_upload(self, files: list[str], request: gr.Request) -> Iterator[Update]:
        # The field is emptied: it would offer links to where nothing is served from.
        cleared = {
            self.upload: None,
            self.unpacked: None,
            self.running: None,
            **self.no_result(),
            self.start: gr.update(value="Protect all", interactive=False),
            self.rows: gr.update(visible=False),
        }
        yield {**cleared, self.status: status_line("Unpacking …", busy=True)}
        try:
            photos = unpack_uploads(self.service, files, session_of(self.service, request))
        except Exception as error:  # whatever it is, the page must not stand still
            yield {self.status: status_line(error_message(error), alert=True)}
            return
        if not photos.count:
            yield {self.status: status_line("There is no photo in what you chose.", alert=True)}
            return
        yield {
            self.unpacked: photos,
            self.start: gr.update(interactive=True),
            self.rows: table_update((), photos),
            self.status: status_line(f"{words.photos(photos.count).capitalize()}. Press Protect all."),
        }

    def on_start(
        self, photos: Unpacked | None, run: FolderRun | None, strength: float, method: str, blur_size: float,
        mosaic_size: float, k: int, fallback: str, write_unverified: bool, include_faceless: bool, request: gr.Request,
    ) -> Iterator[Update]:  # fmt: skip
        if photos is None:
            yield {self.status: status_line("Choose photos first.", alert=True)}
            return
        session = session_of(self.service, request)
        run = run or begin_run(photos, session)
        session.paused.clear()
        cancel = session.begin("folder")
        yield {
            **self.busy(True),
            **self.no_result(),
            self.running: run,
            self.start: gr.update(interactive=False),
            self.status: status_line("Starting …", busy=True),
        }
        options = told_about(session, options_from(strength, method, blur_size, mosaic_size, k, fallback))
        options = replace(options, write_unverified=write_unverified)
        try:
            result = yield from run_job(
                self.service.jobs,
                session,
                cancel,
                lambda on_progress: self.service.run_folder(run, options, on_progress, cancel),
                progress_lines(),
                lambda line, progress: {
                    self.status: line,
                    self.rows: table_update(progress.rows if progress else (), photos),
                },
            )
            ended = (
                self.stopped(session.paused.is_set(), photos)
                if result is None
                else self.done(run, result, photos, include_faceless=include_faceless)
            )
        except Exception as error:  # whatever it is, the page must not stand still
            ended = {
                self.start: gr.update(interactive=True),
                self.status: status_line(error_message(error), alert=True),
            }
        yield {**self.busy(False), **ended}

    def busy(self, now: bool) -> Update:
        """What can be used while a run goes on, and what once it has ended."""
        return {
            self.pause: gr.update(visible=now),
            self.cancel: gr.update(visible=now),
            self.upload: gr.update(interactive=not now),
        }

    def no_result(self) -> Update:
        return {self.finished: None, self.save: gr.update(visible=False), self.audit: gr.update(visible=False)}

    def stopped(self, paused: bool, photos: Unpacked) -> Update:
        """Paused, a run goes on where it was; cancelled, it begins anew."""
        if paused:
            text = "Paused. What is done is kept: Go on continues where it stopped."
            return {self.start: gr.update(value="Go on", interactive=True), self.status: status_line(text)}
        return {
            self.running: None,
            self.start: gr.update(value="Protect all", interactive=True),
            self.rows: table_update((), photos),
            self.status: status_line("Cancelled."),
        }

    def done(self, run: FolderRun, result: FolderResult, photos: Unpacked, *, include_faceless: bool) -> Update:
        """include_faceless: photos without a face go into the zip as well."""
        packed = results_zip(run, result, include_faceless=include_faceless)
        return {
            self.finished: run,
            self.start: gr.update(value="Protect all", interactive=False),
            self.save: gr.update(value=str(packed) if packed else None, visible=packed is not None),
            self.audit: gr.update(visible=packed is not None),
            self.rows: table_update([row_of(photo, run) for photo in result.photos], photos),
            self.status: status_line(summary(result), alert=packed is None),
        }

    # The run itself says that it is stopping: an answer from here could arrive after its last word.
    def on_pause(self, request: gr.Request) -> None:
        session = session_of(self.service, request)
        session.paused.set()  # before the run can end
        session.cancel_of("folder").set()

    def on_cancel(self, request: gr.Request) -> None:
        session_of(self.service, request).cancel_of("folder").set()


def build(service: Service) -> tuple[gr.State, gr.Button]:
    """Inside a tab of the page. Returns the finished run, and the button that asks for its audit."""
    tab = layout(service)
    outputs = [
        tab.upload, tab.unpacked, tab.running, tab.finished, tab.start, tab.pause, tab.cancel, tab.status, tab.save,
        tab.audit, tab.rows,
    ]  # fmt: skip
    inputs = [tab.unpacked, tab.running, *tab.settings, tab.write_unverified, tab.include_faceless]
    tab.upload.upload(tab.on_upload, tab.upload, outputs, concurrency_limit=None, show_progress="hidden")
    tab.start.click(tab.on_start, inputs, outputs, concurrency_limit=None, show_progress="hidden")
    tab.pause.click(tab.on_pause, None, None, queue=False, show_progress="hidden")
    tab.cancel.click(tab.on_cancel, None, None, queue=False, show_progress="hidden")
    return tab.finished, tab.audit


def layout(service: Service) -> FolderTab:
    """The components, where they stand."""
    unpacked, running, finished = gr.State(None), gr.State(None), gr.State(None)
    upload = gr.File(label="Photos, or a zip of photos", file_count="multiple", height=160)
    settings = settings_fields()
    with gr.Accordion("What goes into the zip", open=False):
        write_unverified = gr.Checkbox(label="Photos that could not be fully protected, too (faces may be recognized)")
        include_faceless = gr.Checkbox(label="Photos without a face, too (unchanged, but without metadata)")
    with gr.Row():
        start = gr.Button("Protect all", variant="primary", interactive=False)
        pause = gr.Button("Pause", visible=False)
        cancel = gr.Button("Cancel", variant="stop", visible=False)
    status = gr.HTML(
        status_line("Choose photos or a zip. They stay on the computer that runs this page."), padding=False
    )
    save = gr.DownloadButton("Download the protected photos (zip)", variant="primary", visible=False)
    audit = gr.Button("Audit these photos", visible=False)
    rows = gr.Dataframe(
        headers=HEADERS, datatype=["html", "str", "str", "str"], interactive=False, label="Photos", visible=False,
        wrap=True, column_widths=["80px", "260px", "120px", "480px"], max_height=600, buttons=[],
    )  # fmt: skip
    return FolderTab(
        service, unpacked, running, finished, upload, settings, write_unverified, include_faceless, start, pause,
        cancel, status, save, audit, rows,
    )  # fmt: skip


def unpack_uploads(service: Service, files: list[str], session: Session) -> Unpacked:
    """Uploads into a folder of the session. Raises Refused."""
    claimed = [service.sessions.claim(Path(file), session) for file in files]
    return unpack(claimed, session.new_folder())


def progress_lines() -> Callable[[RunProgress | None], str]:
    """Status lines of one run: its time left comes from the photos done since the first line."""
    began, done, seconds = 0.0, 0, 0.0

    def line(progress: RunProgress | None) -> str:
        nonlocal began, done, seconds
        began = began or time.monotonic()
        if progress is None or not progress.rows:
            return status_line(progress_text(progress, seconds), busy=True)
        if len(progress.rows) != done:
            done, seconds = len(progress.rows), time.monotonic() - began
        return status_line(progress_text(progress, seconds), busy=True, share=done / progress.total)

    return line


def progress_text(progress: RunProgress | None, seconds: float) -> str:
    """Overall progress with the time left, once photos tell how long one takes. seconds: for those that are done."""
    if progress is None:
        return "Warming up …"
    done, total = len(progress.rows), progress.total
    if not done:
        return f"Looking for faces: photo {min(progress.searched, total)} of {total} …"
    return f"{done} of {total} photos done · about {duration(seconds / done * (total - done))} left"


def summary(result: FolderResult) -> str:
    """How it ended, failures named, and possible faces that nobody looked at."""
    counts = {**result.counts, "protected": result.counts.get("protected", 0) + result.counts.get("skipped", 0)}
    names = {"protected": "protected", "failed": "failed", "no-face": "without a face", "unreadable": "unreadable"}
    ended = ", ".join(f"{counts[name]} {text}" for name, text in names.items() if counts.get(name)) + "."
    return " ".join(filter(None, (ended, words.left_possible_in(result.photos))))


def table_update(rows: Sequence[tuple[str, str, str, str]], photos: Unpacked) -> Any:
    cells = table_rows(rows, photos.left_out)
    return gr.update(value=cells, visible=bool(cells))
