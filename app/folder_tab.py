"""The tab for many photos: its components, and what each of them does."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from deid.app import words
from deid.app.folder_run import At, FolderRun, begin, results_zip, row_of, table
from deid.app.page import followed, reason_of, said, session_of, settings_of
from deid.app.people_tab import people_of
from deid.app.service import Service
from deid.app.sessions import Session
from deid.app.uploads import Unpacked, unpack
from deid.types import FolderResult

Update = dict[Any, Any]
HEADERS = ["Photo", "Name", "Outcome", "Note"]


def build(service: Service) -> tuple[gr.State, gr.Button]:
    """Inside a tab of the page. Returns the finished run, and the button that asks for its audit."""
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
    status = gr.HTML(said("Choose photos or a zip. They stay on this computer."), padding=False)
    save = gr.DownloadButton("Download the protected photos (zip)", variant="primary", visible=False)
    audit = gr.Button("Audit these photos", visible=False)
    rows = gr.Dataframe(
        headers=HEADERS, datatype=["html", "str", "str", "str"], interactive=False, label="Photos", visible=False,
        elem_classes="rows", wrap=True, column_widths=["80px", "260px", "120px", "480px"], max_height=600, buttons=[],
    )  # fmt: skip

    def on_upload(files: list[str], request: gr.Request) -> Iterator[Update]:
        # The field is emptied: the files are about to move, and it would offer links to where they were.
        cleared = {
            upload: None,
            unpacked: None, running: None, finished: None,
            save: gr.update(visible=False), audit: gr.update(visible=False),
            start: gr.update(value="Protect all", interactive=False), rows: gr.update(visible=False),
        }  # fmt: skip
        yield {**cleared, status: said("Unpacking …", busy=True)}
        try:
            photos = take(service, files, session_of(service, request))
        except Exception as error:  # whatever it is, the page must not stand still
            yield {status: said(reason_of(error), alert=True)}
            return
        if not photos.count:
            yield {status: said("There is no photo in what you chose.", alert=True)}
            return
        yield {
            unpacked: photos, start: gr.update(interactive=True), rows: shown((), photos),
            status: said(f"{words.photos(photos.count).capitalize()}. Press Protect all."),
        }  # fmt: skip

    def on_start(
        photos: Unpacked | None, run: FolderRun | None, k: int, way: str, how: str, risky: bool, plain: bool,
        request: gr.Request,
    ) -> Iterator[Update]:  # fmt: skip
        if photos is None:
            yield {status: said("Choose photos first.", alert=True)}
            return
        session = session_of(service, request)
        run = run or begin(photos, session)
        session.paused.clear()
        yield {
            running: run, start: gr.update(interactive=False), pause: gr.update(visible=True),
            cancel: gr.update(visible=True), upload: gr.update(interactive=False),
            save: gr.update(visible=False), audit: gr.update(visible=False),
            status: said("Starting …", busy=True),
        }  # fmt: skip
        ended = {
            pause: gr.update(visible=False), cancel: gr.update(visible=False), upload: gr.update(interactive=True),
        }  # fmt: skip
        asked = {
            "k_level": int(k), "method": way, "profile": how, "write_unverified": risky, "people": people_of(session),
        }  # fmt: skip
        stop = session.cancel_of("folder")
        try:
            result = yield from followed(
                service.desk,
                stop,
                lambda tell: service.run_folder(run, asked, tell, stop),
                pace(),
                lambda line, at: {status: line, rows: shown(at.rows if at else (), photos)},
            )
        except Exception as error:  # whatever it is, the page must not stand still
            yield {**ended, start: gr.update(interactive=True), status: said(reason_of(error), alert=True)}
            return
        if result is None and session.paused.is_set():
            text = "Paused. What is done is kept: Go on continues where it stopped."
            yield {**ended, start: gr.update(value="Go on", interactive=True), status: said(text)}
            return
        if result is None:
            yield {
                **ended, running: None, start: gr.update(value="Protect all", interactive=True),
                rows: shown((), photos), status: said("Cancelled."),
            }  # fmt: skip
            return
        packed = results_zip(run, result, faceless=plain)
        yield {
            **ended, start: gr.update(value="Protect all", interactive=False), finished: run,
            save: gr.update(value=str(packed) if packed else None, visible=packed is not None),
            audit: gr.update(visible=packed is not None),
            rows: shown([row_of(photo, run) for photo in result.photos], photos),
            status: said(counts_of(result), alert=packed is None),
        }  # fmt: skip

    # The run itself says that it is stopping: an answer from here could arrive after its last word.
    def on_pause(request: gr.Request) -> None:
        session = session_of(service, request)
        session.paused.set()  # before the run can end
        session.cancel_of("folder").set()

    def on_cancel(request: gr.Request) -> None:
        session_of(service, request).cancel_of("folder").set()

    everything = [upload, unpacked, running, finished, start, pause, cancel, status, save, audit, rows]
    upload.upload(on_upload, upload, everything, concurrency_limit=None, show_progress="hidden")
    start.click(
        on_start, [unpacked, running, *settings, unverified, faceless], everything, concurrency_limit=None,
        show_progress="hidden",
    )  # fmt: skip
    pause.click(on_pause, None, None, queue=False, show_progress="hidden")
    cancel.click(on_cancel, None, None, queue=False, show_progress="hidden")
    return finished, audit


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
