"""The tab for many photos: its components, and what each of them does."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from deid.types import FolderResult

from . import words
from .folder_run import At, FolderRun, begin, results_zip, row_of, table
from .page import asked_of, followed, reason_of, said, session_of, settings_of
from .people import people_of
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
    unverified: gr.Checkbox
    faceless: gr.Checkbox
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
        yield {**cleared, self.status: said("Unpacking …", busy=True)}
        try:
            photos = take(self.service, files, session_of(self.service, request))
        except Exception as error:  # whatever it is, the page must not stand still
            yield {self.status: said(reason_of(error), alert=True)}
            return
        if not photos.count:
            yield {self.status: said("There is no photo in what you chose.", alert=True)}
            return
        yield {
            self.unpacked: photos,
            self.start: gr.update(interactive=True),
            self.rows: shown((), photos),
            self.status: said(f"{words.photos(photos.count).capitalize()}. Press Protect all."),
        }

    def on_start(
        self, photos: Unpacked | None, run: FolderRun | None, k: int, way: str, how: str, instead: str, risky: bool,
        plain: bool, request: gr.Request,
    ) -> Iterator[Update]:  # fmt: skip
        if photos is None:
            yield {self.status: said("Choose photos first.", alert=True)}
            return
        session = session_of(self.service, request)
        run = run or begin(photos, session)
        session.paused.clear()
        stop = session.begin("folder")
        yield {
            **self.busy(True),
            **self.no_result(),
            self.running: run,
            self.start: gr.update(interactive=False),
            self.status: said("Starting …", busy=True),
        }
        asked = {**asked_of(k, way, how, instead), "write_unverified": risky, "people": people_of(session)}
        try:
            result = yield from followed(
                self.service.desk,
                session,
                stop,
                lambda tell: self.service.run_folder(run, asked, tell, stop),
                pace(),
                lambda line, at: {self.status: line, self.rows: shown(at.rows if at else (), photos)},
            )
            ended = (
                self.stopped(session.paused.is_set(), photos)
                if result is None
                else self.done(run, result, plain, photos)
            )
        except Exception as error:  # whatever it is, the page must not stand still
            ended = {self.start: gr.update(interactive=True), self.status: said(reason_of(error), alert=True)}
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
            return {self.start: gr.update(value="Go on", interactive=True), self.status: said(text)}
        return {
            self.running: None,
            self.start: gr.update(value="Protect all", interactive=True),
            self.rows: shown((), photos),
            self.status: said("Cancelled."),
        }

    def done(self, run: FolderRun, result: FolderResult, plain: bool, photos: Unpacked) -> Update:
        """plain: whether photos without a face are wanted as well."""
        packed = results_zip(run, result, faceless=plain)
        return {
            self.finished: run,
            self.start: gr.update(value="Protect all", interactive=False),
            self.save: gr.update(value=str(packed) if packed else None, visible=packed is not None),
            self.audit: gr.update(visible=packed is not None),
            self.rows: shown([row_of(photo, run) for photo in result.photos], photos),
            self.status: said(counts_of(result), alert=packed is None),
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
    everything = [
        tab.upload, tab.unpacked, tab.running, tab.finished, tab.start, tab.pause, tab.cancel, tab.status, tab.save,
        tab.audit, tab.rows,
    ]  # fmt: skip
    asked = [tab.unpacked, tab.running, *tab.settings, tab.unverified, tab.faceless]
    tab.upload.upload(tab.on_upload, tab.upload, everything, concurrency_limit=None, show_progress="hidden")
    tab.start.click(tab.on_start, asked, everything, concurrency_limit=None, show_progress="hidden")
    tab.pause.click(tab.on_pause, None, None, queue=False, show_progress="hidden")
    tab.cancel.click(tab.on_cancel, None, None, queue=False, show_progress="hidden")
    return tab.finished, tab.audit


def layout(service: Service) -> FolderTab:
    """The components, where they stand."""
    unpacked, running, finished = gr.State(None), gr.State(None), gr.State(None)
    upload = gr.File(label="Photos, or a zip of photos", file_count="multiple", height=160)
    settings = settings_of()
    with gr.Accordion("What goes into the zip", open=False):
        unverified = gr.Checkbox(label="Photos that could not be fully protected, too (faces may be recognized)")
        faceless = gr.Checkbox(label="Photos without a face, too (unchanged, but without metadata)")
    with gr.Row():
        start = gr.Button("Protect all", variant="primary", interactive=False)
        pause = gr.Button("Pause", visible=False)
        cancel = gr.Button("Cancel", variant="stop", visible=False)
    status = gr.HTML(said("Choose photos or a zip. They stay on the computer that runs this page."), padding=False)
    save = gr.DownloadButton("Download the protected photos (zip)", variant="primary", visible=False)
    audit = gr.Button("Audit these photos", visible=False)
    rows = gr.Dataframe(
        headers=HEADERS, datatype=["html", "str", "str", "str"], interactive=False, label="Photos", visible=False,
        elem_classes="rows", wrap=True, column_widths=["80px", "260px", "120px", "480px"], max_height=600, buttons=[],
    )  # fmt: skip
    return FolderTab(
        service, unpacked, running, finished, upload, settings, unverified, faceless, start, pause, cancel, status,
        save, audit, rows,
    )  # fmt: skip


def take(service: Service, files: list[str], session: Session) -> Unpacked:
    """Uploads into a folder of the session. Raises Refused."""
    claimed = [service.sessions.claim(Path(file), session) for file in files]
    return unpack(claimed, session.new_folder())


def pace() -> Callable[[At | None], str]:
    """Status lines of one run: its time left comes from the photos done since the first line."""
    began, done, seconds = 0.0, 0, 0.0

    def line(at: At | None) -> str:
        nonlocal began, done, seconds
        began = began or time.monotonic()
        if at is None or not at.rows:
            return said(how_far(at, seconds), busy=True)
        if len(at.rows) != done:
            done, seconds = len(at.rows), time.monotonic() - began
        return said(how_far(at, seconds), busy=True, share=done / at.total)

    return line


def how_far(at: At | None, seconds: float) -> str:
    """Overall progress with the time left, once photos tell how long one takes. seconds: for those that are done."""
    if at is None:
        return "Warming up …"
    if not at.rows:
        return f"Looking for faces: photo {min(at.searched, at.total)} of {at.total} …"
    left = seconds / len(at.rows) * (at.total - len(at.rows))
    return f"{len(at.rows)} of {at.total} photos done · about {words.duration(left)} left"


def counts_of(result: FolderResult) -> str:
    """How it ended, failures named."""
    counts = {**result.counts, "protected": result.counts.get("protected", 0) + result.counts.get("skipped", 0)}
    names = {"protected": "protected", "failed": "failed", "no-face": "without a face", "unreadable": "unreadable"}
    return ", ".join(f"{counts[name]} {text}" for name, text in names.items() if counts.get(name)) + "."


def shown(rows: Sequence, photos: Unpacked) -> Any:
    cells = table(rows, photos.left_out)
    return gr.update(value=cells, visible=bool(cells))
