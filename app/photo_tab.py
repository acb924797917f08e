"""The tab for one photo: its components, and what each of them does."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component

from deid.errors import ImageError

from . import people, photo_result, words
from .drawing import face_at, with_boxes
from .handlers import FoundPhoto
from .page import error_message, options_from, run_job, session_of, settings_fields, status_line
from .service import Service
from .sessions import Refused, Session
from .uploads import too_large

if TYPE_CHECKING:  # it loads torch
    from deid.protection.progress import Step

Update = dict[Any, Any]
LABEL = "Faces: click one to leave it out, or to take it in again"


@dataclass(frozen=True, eq=False)
class PhotoTab:
    """The components; the methods are what happens when one is used."""

    service: Service
    found: gr.State
    protected: gr.State
    upload: gr.File
    picture: gr.Image
    faces: gr.CheckboxGroup
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
            self.found: None,
            self.protected: None,
            self.results: gr.update(visible=False),
            self.start: gr.update(interactive=False),
            self.picture: gr.update(value=None, visible=False),
            self.faces: gr.update(choices=[], value=[], visible=False),
        }
        waiting = "Looking for faces …" if self.service.warm.is_set() else "Warming up: loading the recognizer, once …"
        yield {**cleared, self.status: status_line(waiting, busy=True)}
        try:
            photo = look_at(self.service, file, session_of(self.service, request))
        except ImageError as error:
            yield {self.status: status_line(f"This is not a photo that can be read: {error}", alert=True)}
        except Exception as error:  # whatever it is, the page must not stand still
            yield {self.status: status_line(error_message(error), alert=True)}
        else:
            yield self.show_found(photo)

    def show_found(self, photo: FoundPhoto) -> Update:
        """The photo with its faces, all of them chosen."""
        numbers = list(range(1, len(photo.boxes) + 1))
        if not numbers:
            return {
                self.picture: gr.update(value=str(photo.preview), visible=True, label="Your photo"),
                self.status: status_line(f"{photo.path.name}: no face was found, so there is nothing to protect."),
            }
        count = "one face" if len(numbers) == 1 else f"{len(numbers)} faces"
        return {
            self.found: photo,
            self.picture: gr.update(value=boxed_picture(photo, numbers), visible=True, label=LABEL),
            self.faces: gr.update(choices=choices(photo), value=numbers, visible=True),
            self.start: gr.update(interactive=True),
            self.status: status_line(f"{photo.path.name}: {count} found. Choose which to protect, then press Protect."),
        }

    def on_faces(self, numbers: list[int], photo: FoundPhoto | None) -> Update:
        if photo is None:
            return {self.start: gr.skip()}
        return {self.picture: boxed_picture(photo, numbers), self.start: gr.update(interactive=bool(numbers))}

    def on_click(self, numbers: list[int], photo: FoundPhoto | None, event: gr.SelectData) -> Update:
        if photo is None:
            return {self.faces: gr.skip()}
        x, y = event.index
        if (number := face_at(x, y, photo.boxes, photo.scale)) is None:
            return {self.faces: gr.skip()}
        numbers = sorted(set(numbers) ^ {number})
        return {self.faces: numbers, **self.on_faces(numbers, photo)}

    def on_start(
        self, photo: FoundPhoto | None, numbers: list[int], k: int, method: str, profile: str, fallback: str,
        request: gr.Request,
    ) -> Iterator[Update]:  # fmt: skip
        if photo is None or not numbers:
            yield {self.status: status_line("Choose a photo and at least one face first.", alert=True)}
            return
        session = session_of(self.service, request)
        cancel = session.begin("photo")
        yield {
            **self.running(True),
            self.results: gr.update(visible=False),
            self.status: status_line("Starting …", busy=True),
        }
        options = replace(options_from(k, method, profile, fallback), people=people.people_of(session))
        chosen = sorted(numbers)
        try:
            done = yield from run_job(
                self.service.jobs,
                session,
                cancel,
                lambda on_step: self.service.protect_photo(photo, chosen, options, on_step, cancel),
                lambda step: progress(step, chosen),
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
        tab.upload, tab.found, tab.protected, tab.picture, tab.faces, tab.start, tab.cancel, tab.status, tab.results,
        *tab.shown.outputs,
    ]  # fmt: skip
    tab.upload.upload(tab.on_upload, tab.upload, outputs, concurrency_limit=1, show_progress="hidden")
    tab.faces.input(tab.on_faces, [tab.faces, tab.found], [tab.picture, tab.start], show_progress="hidden")
    tab.picture.select(
        tab.on_click, [tab.faces, tab.found], [tab.faces, tab.picture, tab.start], show_progress="hidden"
    )
    tab.start.click(
        tab.on_start, [tab.found, tab.faces, *tab.settings], outputs, concurrency_limit=None, show_progress="hidden"
    )
    tab.cancel.click(tab.on_cancel, None, None, queue=False, show_progress="hidden")


def layout(service: Service) -> PhotoTab:
    """The components, where they stand."""
    found, protected = gr.State(None), gr.State(None)
    with gr.Row():
        with gr.Column(min_width=320):
            upload = gr.File(label="Photo", height=130)
            picture = gr.Image(
                label=LABEL, elem_classes="faces", visible=False, interactive=False, type="filepath",
                buttons=["fullscreen"],
            )  # fmt: skip
            faces = gr.CheckboxGroup(label="Faces to protect", visible=False)
            settings = settings_fields()
            with gr.Row():
                start = gr.Button("Protect", variant="primary", interactive=False)
                cancel = gr.Button("Cancel", variant="stop", visible=False)
            status = gr.HTML(
                status_line("Choose a photo. It stays on the computer that runs this page."), padding=False
            )
        with gr.Column(min_width=320, visible=False) as results:
            shown = photo_result.build(service, found, protected)
    return PhotoTab(
        service, found, protected, upload, picture, faces, settings, start, cancel, status, results, shown
    )  # fmt: skip


def look_at(service: Service, file: str, session: Session) -> FoundPhoto:
    """An upload with its faces, in the session's folder. Raises Refused and UnreadableImage."""
    path = service.sessions.claim(Path(file), session)
    if problem := too_large(path):
        raise Refused(f"This file is {problem}.")
    service.ensure_warm()
    return service.find_faces(path)


def progress(step: "Step | None", numbers: Sequence[int]) -> str:
    """numbers: of the chosen faces, in the order of the step's ranks."""
    return status_line("Protecting: preparing …" if step is None else words.progress(step, numbers), busy=True)


def choices(photo: FoundPhoto) -> list[tuple[str, int]]:
    return [(f"Face {number}", number) for number in range(1, len(photo.boxes) + 1)]


def boxed_picture(photo: FoundPhoto, chosen: Sequence[int]) -> str:
    """The picture with its boxes; another name for each choice, so that no browser shows an earlier one."""
    key = hashlib.sha256(repr(sorted(chosen)).encode()).hexdigest()[:16]
    path = photo.folder / f"faces-{key}.png"
    with_boxes(photo.preview, photo.boxes, photo.scale, chosen).save(path, compress_level=1)
    return str(path)
