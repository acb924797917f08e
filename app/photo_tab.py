"""The tab for one photo: its components, and what each of them does."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from deid.app import photo_result, words
from deid.app.drawing import face_at, with_boxes
from deid.app.handlers import FoundPhoto
from deid.app.page import followed, reason_of, said, session_of, settings_of
from deid.app.people_tab import people_of
from deid.app.service import Service
from deid.app.sessions import Session
from deid.image_errors import ImageError

if TYPE_CHECKING:  # it loads torch
    from deid.live import Step

Update = dict[Any, Any]


def build(service: Service) -> None:
    """Inside a tab of the page."""
    found, protected = gr.State(None), gr.State(None)
    with gr.Row():
        with gr.Column(min_width=320):
            upload = gr.File(label="Photo", height=130)
            picture = gr.Image(
                label="Faces: click one to leave it out, or to take it in again",
                elem_classes="faces",
                visible=False,
                interactive=False,
                type="filepath",
                buttons=["fullscreen"],
            )
            faces = gr.CheckboxGroup(label="Faces to protect", visible=False)
            settings = settings_of()
            with gr.Row():
                start = gr.Button("Protect", variant="primary", interactive=False)
                cancel = gr.Button("Cancel", variant="stop", visible=False)
            status = gr.HTML(said("Choose a photo. It stays on this computer."), padding=False)
        with gr.Column(min_width=320, visible=False) as results:
            shown = photo_result.build(service, found, protected)

    def on_upload(file: str, request: gr.Request) -> Iterator[Update]:
        # The field is emptied: the file is about to move, and it would offer a link to where it was.
        cleared = {
            upload: None,
            found: None, protected: None, results: gr.update(visible=False), start: gr.update(interactive=False),
            picture: gr.update(value=None, visible=False), faces: gr.update(choices=[], value=[], visible=False),
        }  # fmt: skip
        waiting = "Looking for faces …" if service.warm.is_set() else "Warming up: loading the recognizer, once …"
        yield {**cleared, status: said(waiting, busy=True)}
        try:
            photo = look_at(service, file, session_of(service, request))
        except ImageError as error:
            yield {status: said(f"This is not a photo that can be read: {error}", alert=True)}
            return
        except Exception as error:  # whatever it is, the page must not stand still
            yield {status: said(reason_of(error), alert=True)}
            return
        numbers = list(range(1, len(photo.boxes) + 1))
        if not numbers:
            yield {
                picture: gr.update(value=str(photo.preview), visible=True, label="Your photo"),
                status: said(f"{photo.path.name}: no face was found, so there is nothing to protect."),
            }
            return
        count = "one face" if len(numbers) == 1 else f"{len(numbers)} faces"
        yield {
            found: photo,
            picture: gr.update(value=boxed(photo, numbers), visible=True, label=picture.label),
            faces: gr.update(choices=choices(photo), value=numbers, visible=True),
            start: gr.update(interactive=True),
            status: said(f"{photo.path.name}: {count} found. Choose which to protect, then press Protect."),
        }

    def on_faces(numbers: list[int], photo: FoundPhoto | None) -> Update:
        if photo is None:
            return {start: gr.skip()}
        return {picture: boxed(photo, numbers), start: gr.update(interactive=bool(numbers))}

    def on_click(numbers: list[int], photo: FoundPhoto | None, event: gr.SelectData) -> Update:
        number = face_at(*event.index, photo.boxes, photo.scale) if photo else None
        if photo is None or number is None:
            return {faces: gr.skip()}
        numbers = sorted(set(numbers) ^ {number})
        return {faces: numbers, picture: boxed(photo, numbers), start: gr.update(interactive=bool(numbers))}

    def on_start(
        photo: FoundPhoto | None, numbers: list[int], k: int, way: str, how: str, request: gr.Request
    ) -> Iterator[Update]:
        if photo is None or not numbers:
            yield {status: said("Choose a photo and at least one face first.", alert=True)}
            return
        running = {
            start: gr.update(interactive=False),
            cancel: gr.update(visible=True),
            upload: gr.update(interactive=False),
            results: gr.update(visible=False),
        }
        yield {**running, status: said("Starting …", busy=True)}
        ended = {
            start: gr.update(interactive=True),
            cancel: gr.update(visible=False),
            upload: gr.update(interactive=True),
        }
        session = session_of(service, request)
        asked = {"k_level": int(k), "method": way, "profile": how, "people": people_of(session)}
        chosen, stop = sorted(numbers), session.cancel_of("photo")
        try:
            done = yield from followed(
                service.desk,
                stop,
                lambda tell: service.protect_photo(photo, chosen, asked, tell, stop),
                lambda step: progress(step, chosen),
                lambda line, _: {status: line},
            )
        except Exception as error:  # whatever it is, the page must not stand still
            yield {**ended, status: said(reason_of(error), alert=True)}
            return
        if done is None:
            yield {**ended, status: said("Cancelled. Nothing was written.")}
            return
        yield {
            **ended, protected: done, results: gr.update(visible=True), **shown.update(photo, done),
            status: said(words.headline(done.result), alert=done.saved is None),
        }  # fmt: skip

    # The run itself says that it is stopping: an answer from here could arrive after its last word.
    def on_cancel(request: gr.Request) -> None:
        session_of(service, request).cancel_of("photo").set()

    everything = [upload, found, protected, picture, faces, start, cancel, status, results, *shown.outputs]
    upload.upload(on_upload, upload, everything, concurrency_limit=1, show_progress="hidden")
    faces.input(on_faces, [faces, found], [picture, start], show_progress="hidden")
    picture.select(on_click, [faces, found], [faces, picture, start], show_progress="hidden")
    start.click(on_start, [found, faces, *settings], everything, concurrency_limit=None, show_progress="hidden")
    cancel.click(on_cancel, None, None, queue=False, show_progress="hidden")


def look_at(service: Service, file: str, session: Session) -> FoundPhoto:
    """An upload with its faces, moved into the session's folder. Raises Refused and UnreadableImage."""
    path = service.sessions.claim(Path(file), session)
    service.be_warm()
    return service.find_faces(path)


def progress(step: "Step | None", numbers: Sequence[int]) -> str:
    """numbers: of the chosen faces, in the order of the step's ranks."""
    if step is None:
        return said("Protecting: preparing …", busy=True)
    return said(words.progress(step.round, step.evaluations, dict(zip(numbers, step.ranks, strict=False))), busy=True)


def choices(photo: FoundPhoto) -> list[tuple[str, int]]:
    return [(f"Face {number}", number) for number in range(1, len(photo.boxes) + 1)]


def boxed(photo: FoundPhoto, chosen: Sequence[int]) -> str:
    """The picture with its boxes; another name for each choice, so that no browser shows an earlier one."""
    path = photo.preview.with_name(f"faces-{'-'.join(map(str, sorted(chosen)))[:100]}.png")
    with_boxes(photo.preview, photo.boxes, photo.scale, chosen).save(path, compress_level=1)
    return str(path)
