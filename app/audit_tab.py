"""The tab for audits: two sets of photos, or a report made earlier."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from . import report_view
from .audit_run import check_journal, take_photos
from .folder_run import FolderRun
from .page import error_message, run_job, session_of, status_line
from .service import Service
from .sessions import Session

Update = dict[Any, Any]
JOURNAL = (
    "A run over a folder keeps a private journal, a file `*.sqlite`, in the state folder of whoever ran it "
    "(on Linux `~/.local/state/face-deid/journals`). With it the report says how close each recognizer is to the one "
    "that was attacked, and which files have changed since; without it every recognizer's closeness is «unknown»."
)


@dataclass(frozen=True, eq=False)
class Running:
    """The components of an audit that goes on."""

    start: gr.Button
    cancel: gr.Button
    status: gr.HTML
    view: report_view.ReportView

    @property
    def outputs(self) -> list[Any]:
        return [self.start, self.cancel, self.status, *self.view.outputs]

    def busy(self, now: bool) -> Update:
        return {self.start: gr.update(interactive=not now), self.cancel: gr.update(visible=now)}


@dataclass(frozen=True, eq=False)
class AuditTab:
    """The components; the methods are what happens when one is used."""

    service: Service
    originals: gr.File
    published: gr.File
    k_level: gr.Slider
    journal: gr.File
    earlier: gr.File
    check: gr.Button
    running: Running

    def on_start(
        self,
        originals: list[str] | None,
        published: list[str] | None,
        k: int,
        journal: str | None,
        request: gr.Request,
    ) -> Iterator[Update]:
        status = self.running.status
        if not originals or not published:
            yield {status: status_line("Choose both: the originals, and the published photos.", alert=True)}
            return
        # The fields are emptied: they would offer links to where nothing is served from.
        emptied = {self.originals: None, self.published: None, self.journal: None}
        session = session_of(self.service, request)
        try:
            journal_file = self.journal_of(journal, session)
            before, after = (
                take_photos(claimed(self.service, files, session), session) for files in (originals, published)
            )
        except Exception as error:  # whatever it is, the page must not stand still
            yield {**emptied, status: status_line(error_message(error), alert=True)}
            return
        yield emptied
        k_level = None if journal_file else int(k)
        yield from run_audit(self.service, session, before, after, k_level, self.running, journal_file)

    def journal_of(self, file: str | None, session: Session) -> Path | None:
        if file is None:
            return None
        (path,) = claimed(self.service, [file], session)
        check_journal(path)
        return path

    def on_check(self, file: str | None, published: list[str] | None, request: gr.Request) -> Update:
        status = self.running.status
        if file is None:
            return {status: status_line("Choose a report.json first.", alert=True)}
        session = session_of(self.service, request)
        emptied = {self.earlier: None, self.published: None}
        try:
            folder = take_photos(claimed(self.service, published, session), session) if published else None
            (path,) = claimed(self.service, [file], session)
            report = self.service.read_report(path, folder, session.new_folder())
        except Exception as error:  # whatever it is, the page must not stand still
            return {**emptied, status: status_line(error_message(error), alert=True)}
        return {**emptied, status: status_line("Checked."), **self.running.view.update(report)}


def build(service: Service) -> None:
    """Inside a tab of the page."""
    tab = layout(service)
    fields = [tab.originals, tab.published, tab.journal]
    tab.running.start.click(
        tab.on_start, [tab.originals, tab.published, tab.k_level, tab.journal], [*fields, *tab.running.outputs],
        concurrency_limit=None, show_progress="hidden",
    )  # fmt: skip
    tab.check.click(
        tab.on_check, [tab.earlier, tab.published], [tab.earlier, tab.published, *tab.running.outputs],
        show_progress="hidden",
    )  # fmt: skip
    tab.running.cancel.click(canceler(service), None, None, queue=False, show_progress="hidden")


def layout(service: Service) -> AuditTab:
    """The components, where they stand."""
    with gr.Row():
        originals = gr.File(label="Original photos, or a zip", file_count="multiple", height=140)
        published = gr.File(label="Published photos, or a zip", file_count="multiple", height=140)
    k_level = gr.Slider(1, 20, 5, step=1, label="K that was promised (with a journal: what it says)")
    with gr.Accordion("The journal of the run that made them (optional)", open=False):
        gr.Markdown(JOURNAL)
        journal = gr.File(label="Its journal (.sqlite)", height=120)
    with gr.Row():
        start = gr.Button("Audit", variant="primary")
        cancel = gr.Button("Cancel", variant="stop", visible=False)
    with gr.Accordion("Check a report made earlier", open=False):
        earlier = gr.File(label="Its report.json (published photos above are checked along)", height=120)
        check = gr.Button("Check")
    status = gr.HTML(status_line("Choose the originals and what was made of them, whoever made it."), padding=False)
    running = Running(start, cancel, status, report_view.build())
    return AuditTab(service, originals, published, k_level, journal, earlier, check, running)


def build_below_folder(service: Service, finished: gr.State, start: gr.Button) -> None:
    """The audit of a folder that was just protected, on its own tab."""
    status = gr.HTML(visible=False, padding=False)
    cancel = gr.Button("Cancel the audit", variant="stop", visible=False)
    running = Running(start, cancel, status, report_view.build())

    def on_start(run: FolderRun | None, request: gr.Request) -> Iterator[Update]:
        if run is not None:
            session = session_of(service, request)
            yield {status: gr.update(visible=True)}
            yield from run_audit(service, session, run.originals.folder, run.output, None, running)

    start.click(on_start, finished, running.outputs, concurrency_limit=None, show_progress="hidden")
    cancel.click(canceler(service), None, None, queue=False, show_progress="hidden")


def run_audit(
    service: Service, session: Session, originals: Path, published: Path, k_level: int | None, running: Running,
    journal: Path | None = None,
) -> Iterator[Update]:  # fmt: skip
    """An audit from its start to its report."""
    status, view = running.status, running.view
    cancel, folder = session.begin("audit"), session.new_folder()
    yield {**running.busy(True), status: status_line("Starting …", busy=True), **view.update(None)}
    try:
        report = yield from run_job(
            service.jobs,
            session,
            cancel,
            lambda on_progress: service.audit_folders(
                originals, published, k_level, folder, on_progress, cancel, journal
            ),
            report_view.progress,
            lambda line, _: {status: line},
        )
    except Exception as error:  # whatever it is, the page must not stand still
        yield {**running.busy(False), status: status_line(error_message(error), alert=True)}
        return
    if report is None:
        yield {**running.busy(False), status: status_line("Cancelled.")}
        return
    yield {**running.busy(False), status: status_line("Done: the report is below."), **view.update(report)}


def canceler(service: Service) -> Callable[[gr.Request], None]:
    """A handler that ends the session's job."""

    def on_cancel(request: gr.Request) -> None:
        session_of(service, request).cancel_of("audit").set()

    return on_cancel


def claimed(service: Service, files: list[str], session: Session) -> list[Path]:
    return [service.sessions.claim(Path(file), session) for file in files]
