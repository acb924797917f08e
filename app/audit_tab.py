"""The tab for audits: two sets of photos, or a report made earlier."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from deid.app import report_view
from deid.app.audit_run import take_photos
from deid.app.folder_run import FolderRun
from deid.app.page import followed, reason_of, said, session_of
from deid.app.service import Service
from deid.app.sessions import Session

Update = dict[Any, Any]


def build(service: Service) -> None:
    """Inside a tab of the page."""
    with gr.Row():
        originals = gr.File(label="Original photos, or a zip", file_count="multiple", height=140)
        published = gr.File(label="Published photos, or a zip", file_count="multiple", height=140)
    k_level = gr.Slider(1, 20, 5, step=1, label="K that was promised")
    with gr.Row():
        start = gr.Button("Audit", variant="primary")
        cancel = gr.Button("Cancel", variant="stop", visible=False)
    with gr.Accordion("Check a report made earlier", open=False):
        earlier = gr.File(label="Its report.json (published photos above are checked along)", height=120)
        check = gr.Button("Check")
    status = gr.HTML(said("Choose the originals and what was made of them, whoever made it."), padding=False)
    view = report_view.build()

    def on_start(theirs: list[str] | None, ours: list[str] | None, k: int, request: gr.Request) -> Iterator[Update]:
        if not theirs or not ours:
            yield {status: said("Choose both: the originals, and the published photos.", alert=True)}
            return
        session = session_of(service, request)
        try:
            places = [take_photos(claimed(service, files, session), session) for files in (theirs, ours)]
        except Exception as error:  # whatever it is, the page must not stand still
            yield {status: said(reason_of(error), alert=True), originals: None, published: None}
            return
        # Uploads have moved into the session's folder: the fields would name files that are gone.
        yield {originals: None, published: None}
        yield from steps(service, session, *places, int(k), view, status, start, cancel)

    def on_check(file: str | None, ours: list[str] | None, request: gr.Request) -> Update:
        if file is None:
            return {status: said("Choose a report.json first.", alert=True)}
        session = session_of(service, request)
        try:
            place = take_photos(claimed(service, ours, session), session) if ours else None
            (path,) = claimed(service, [file], session)
            report = service.read_report(path, place, session.new_folder())
        except Exception as error:  # whatever it is, the page must not stand still
            return {status: said(reason_of(error), alert=True), earlier: None, published: None}
        return {status: said("Checked."), earlier: None, published: None, **view.update(report)}

    everything = [originals, published, earlier, start, cancel, status, *view.outputs]
    start.click(on_start, [originals, published, k_level], everything, concurrency_limit=None, show_progress="hidden")
    check.click(on_check, [earlier, published], everything, show_progress="hidden")
    cancel.click(stopper(service), None, None, queue=False, show_progress="hidden")


def build_below_folder(service: Service, finished: gr.State, start: gr.Button) -> None:
    """The audit of a folder that was just protected, on its own tab."""
    status = gr.HTML(visible=False, padding=False)
    cancel = gr.Button("Cancel the audit", variant="stop", visible=False)
    view = report_view.build()

    def on_start(run: FolderRun | None, request: gr.Request) -> Iterator[Update]:
        if run is not None:
            session = session_of(service, request)
            yield {status: gr.update(visible=True)}
            yield from steps(service, session, run.originals.folder, run.output, None, view, status, start, cancel)

    outputs = [status, start, cancel, *view.outputs]
    start.click(on_start, finished, outputs, concurrency_limit=None, show_progress="hidden")
    cancel.click(stopper(service), None, None, queue=False, show_progress="hidden")


def steps(
    service: Service, session: Session, originals: Path, published: Path, k_level: int | None,
    view: report_view.View, status: gr.HTML, start: gr.Button, cancel: gr.Button,
) -> Iterator[Update]:  # fmt: skip
    """An audit from its start to its report."""
    yield {
        status: said("Starting …", busy=True), start: gr.update(interactive=False), cancel: gr.update(visible=True),
        **view.update(None),
    }  # fmt: skip
    ended = {start: gr.update(interactive=True), cancel: gr.update(visible=False)}
    stop, folder = session.cancel_of("audit"), session.new_folder()
    try:
        report = yield from followed(
            service.desk,
            stop,
            lambda tell: service.audit_folders(originals, published, k_level, folder, tell, stop),
            report_view.how_far,
            lambda line, _: {status: line},
        )
    except Exception as error:  # whatever it is, the page must not stand still
        yield {**ended, status: said(reason_of(error), alert=True)}
        return
    if report is None:
        yield {**ended, status: said("Cancelled.")}
        return
    yield {**ended, status: said("Done: the report is below."), **view.update(report)}


def stopper(service: Service) -> Callable[[gr.Request], None]:
    """A handler that ends the session's job."""

    def stop(request: gr.Request) -> None:
        session_of(service, request).cancel_of("audit").set()

    return stop


def claimed(service: Service, files: list[str], session: Session) -> list[Path]:
    return [service.sessions.claim(Path(file), session) for file in files]
