"""The tab for one photo: its components, and what each of them does."""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from deid.commands.words import step_line
from deid.errors import ImageError

from . import choosing, face_picker, people, photo_result, strengths, words
from .handlers import FoundPhoto
from .page import error_message, options_from, run_job, scroll_to, session_of, settings_fields, status_line
from .service import Service
from .sessions import PREVIEW, Refused, Session
from .strengths import StrengthRow
from .uploads import too_large

if TYPE_CHECKING:  # it loads torch
    from deid.protection.progress import Step

Update = dict[Any, Any]
STATUS, RESULTS = "photo-status", "photo-results"  # ids of elements


@dataclass(frozen=True, eq=False)
class PhotoTab:
    """The components; the methods are what happens when one is used."""

    service: Service
    picker: face_picker.FacePicker
    strengths: StrengthRow
    protected: gr.State
    upload: gr.File
    settings: list[Component]
    start: gr.Button
    cancel: gr.Button
    status: gr.HTML
    results: gr.Column
    shown: photo_result.ResultView

    def on_upload(self, file: str, request: gr.Request) -> Iterator[Update]:
        # The field is emptied: it would offer a link to where nothing is served from.
        cleared = {
            self.upload: None,
            **self.picker.cleared(),
            **self.strengths.hidden(),
            self.protected: None,
            self.results: gr.update(visible=False),
            self.start: gr.update(interactive=False),
        }
        waiting = "Looking for faces …" if self.service.warm.is_set() else "Warming up: loading the recognizer, once …"
        yield {**cleared, self.status: status_line(waiting, busy=True)}
        try:
            session = session_of(self.service, request)
            session.end_previews()
            photo = look_at(self.service, file, session)
        except ImageError as error:
            yield {self.status: status_line(f"This is not a photo that can be read: {error}", alert=True)}
        except Exception as error:  # whatever it is, the page must not stand still
            yield {self.status: status_line(error_message(error), alert=True)}
        else:
            yield self.show_found(photo)

    def on_found(self, photo: FoundPhoto | None, request: gr.Request) -> Iterator[Update]:
        """The largest face at several strengths. It is a help alone: where it fails there is none."""
        if photo is None or not photo.boxes:
            return
        session = session_of(self.service, request)
        cancel = session.begin(f"{PREVIEW}{photo.folder.name}")
        try:
            pictures = yield from run_job(
                self.service.jobs,
                session,
                cancel,
                lambda _: self.service.preview_strengths(photo, cancel),
                lambda _: "",
                lambda *_: {self.strengths.row: gr.skip()},
            )
        except Exception as error:
            traceback.print_exception(error)
            return
        if pictures and not cancel.is_set():
            yield self.strengths.shown(pictures)

    def show_found(self, photo: FoundPhoto) -> Update:
        return {**self.picker.shown(photo), self.status: status_line(f"{photo.path.name}: {words.found(photo)}")}

    def on_start(
        self, photo: FoundPhoto | None, keys: list[str], strength: float, method: str, blur_size: float,
        mosaic_size: float, k: int, fallback: str, request: gr.Request,
    ) -> Iterator[Update]:  # fmt: skip
        chosen = [] if photo is None else choosing.in_order(photo, keys)
        if photo is None or not chosen:
            yield {self.status: status_line("Choose a photo and at least one face first.", alert=True)}
            return
        session = session_of(self.service, request)
        cancel = session.begin("photo")
        yield {
            **self.running(True),
            self.results: gr.update(visible=False),
            self.status: status_line("Starting …", busy=True),
        }
        session.end_previews()  # which would hold the attack up
        options = people.told_about(session, options_from(strength, method, blur_size, mosaic_size, k, fallback))
        names = [choosing.name(photo, key) for key in chosen]
        try:
            done = yield from run_job(
                self.service.jobs,
                session,
                cancel,
                lambda on_step: self.service.protect_photo(photo, chosen, options, on_step, cancel),
                lambda step: progress(step, names),
                lambda line, _: {self.status: line},
            )
        except Exception as error:  # whatever it is, the page must not stand still
            yield {**self.running(False), self.status: status_line(error_message(error), alert=True)}
            return
        if done is None:
            yield {**self.running(False), self.status: status_line("Cancelled. Nothing was written.")}
            return
        yield {
            **self.running(False),
            **self.shown.update(photo, done),
            self.protected: done,
            self.results: gr.update(visible=True),
            self.status: status_line(words.headline(done.result), alert=done.saved is None),
        }

    def running(self, now: bool) -> Update:
        """What can be pressed while a run goes on, and what once it has ended."""
        return {
            self.start: gr.update(interactive=not now),
            self.cancel: gr.update(visible=now),
            self.upload: gr.update(interactive=not now),
        }

    # The run itself says that it is stopping: an answer from here could arrive after its last word.
    def on_cancel(self, request: gr.Request) -> None:
        session_of(self.service, request).cancel_of("photo").set()


def build(service: Service) -> None:
    """Inside a tab of the page."""
    tab = layout(service)
    outputs = [
        *tab.picker.outputs, *tab.strengths.outputs, tab.upload, tab.protected, tab.start, tab.cancel, tab.status,
        tab.results, *tab.shown.outputs,
    ]  # fmt: skip
    looked = tab.upload.upload(tab.on_upload, tab.upload, outputs, concurrency_limit=1, show_progress="hidden")
    looked.then(tab.on_found, tab.picker.found, tab.strengths.outputs, concurrency_limit=None, show_progress="hidden")
    tab.picker.connect()
    strength, method = tab.settings[:2]
    tab.strengths.connect(strength, method)
    tab.start.click(None, js=scroll_to(STATUS, "nearest"))
    done = tab.start.click(
        tab.on_start,
        [tab.picker.found, tab.picker.faces, *tab.settings],
        outputs,
        concurrency_limit=None,
        show_progress="hidden",
    )
    done.then(None, js=scroll_to(RESULTS, "start"))
    tab.cancel.click(tab.on_cancel, None, None, queue=False, show_progress="hidden")


def layout(service: Service) -> PhotoTab:
    """The components, where they stand."""
    found, protected = gr.State(None), gr.State(None)
    start = gr.Button("Protect", variant="primary", interactive=False, render=False)
    with gr.Row():
        with gr.Column(min_width=320):
            upload = gr.File(label="Photo", height=130)
            picker = face_picker.build(found, start)
            row = strengths.build()
            settings = settings_fields()
            with gr.Row():
                start.render()
                cancel = gr.Button("Cancel", variant="stop", visible=False)
            status = gr.HTML(
                status_line("Choose a photo. It stays on the computer that runs this page."),
                padding=False,
                elem_id=STATUS,
            )
        with gr.Column(min_width=320, visible=False, elem_id=RESULTS) as results:
            shown = photo_result.build(service, found, protected)
    return PhotoTab(service, picker, row, protected, upload, settings, start, cancel, status, results, shown)


def look_at(service: Service, file: str, session: Session) -> FoundPhoto:
    """An upload with its faces, in the session's folder. Raises Refused and UnreadableImage."""
    path = service.sessions.claim(Path(file), session)
    if problem := too_large(path):
        raise Refused(f"This file is {problem}.")
    service.ensure_warm()
    return service.find_faces(path)


def progress(step: "Step | None", names: Sequence[str]) -> str:
    """names: of the chosen faces, in the order of the step's ranks."""
    if step is None:
        return status_line("Protecting: preparing …", busy=True)
    share = step.pace.step / step.pace.steps if step.pace and step.pace.steps else None
    return status_line(f"Protecting {step_line(step, names)}", busy=True, share=share)
