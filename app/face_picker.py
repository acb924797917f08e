"""Which faces of the photo to protect: frames to click, the same as check boxes, and a box drawn by hand."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from deid.errors import UsageError

from . import choosing, words
from .choosing import Point
from .drawing import Frame, face_at, with_frames
from .handlers import FoundPhoto

Update = dict[Any, Any]
LABEL = "Faces: click one to leave it out, or to take it in again"
NO_FACES = "Your photo"
BY_HAND = "Add a face that was not found: click two opposite corners around it in the picture"
EMPTY = '<div class="hint" aria-live="polite"></div>'
TURNS = {"": "not sure", "@0": "up", "@90": "right", "@180": "down", "@270": "left"}


@dataclass(frozen=True, eq=False)
class FacePicker:
    """The components; the methods are what happens when one is used.

    found: the photo, with the boxes drawn so far. corner: where a box begins that is being drawn, in its pixels.
    """

    found: gr.State
    corner: gr.State
    picture: gr.Image
    hint: gr.HTML
    faces: gr.CheckboxGroup
    by_hand: gr.Checkbox
    details: gr.Group
    turn: gr.Radio
    edges: gr.Textbox
    add: gr.Button
    start: gr.Button

    @property
    def outputs(self) -> list[Component | gr.Group]:
        """All that an upload changes here."""
        return [
            self.found, self.corner, self.picture, self.hint, self.faces, self.by_hand, self.details, self.turn,
            self.edges,
        ]  # fmt: skip

    def connect(self) -> None:
        outputs = [*self.outputs, self.start]
        self.faces.input(self.on_faces, [self.faces, self.found], outputs, show_progress="hidden")
        self.picture.select(
            self.on_click, [self.faces, self.found, self.by_hand, self.corner, self.turn], outputs,
            show_progress="hidden",
        )  # fmt: skip
        self.by_hand.input(self.on_by_hand, [self.by_hand, self.faces, self.found], outputs, show_progress="hidden")
        for event in (self.add.click, self.edges.submit):
            event(
                self.on_edges, [self.edges, self.faces, self.found, self.turn], outputs, show_progress="hidden"
            )  # fmt: skip

    def cleared(self) -> Update:
        """Without a photo."""
        return {
            self.found: None,
            self.picture: gr.update(value=None, visible=False),
            self.hint: EMPTY,
            self.faces: gr.update(choices=[], value=[], visible=False),
            **self.not_drawing(),
            self.by_hand: gr.update(value=False, visible=False),
        }

    def shown(self, photo: FoundPhoto) -> Update:
        """The photo, with all its faces chosen, but no possible ones."""
        keys = [key for key in choosing.places(photo) if not choosing.is_possible(key)]
        return {
            self.found: photo,
            self.by_hand: gr.update(visible=True),
            self.edges: gr.update(value="", info=f"The photo is {photo.size[0]} × {photo.size[1]} pixels."),
            **self.choice(photo, keys, choices=True),
        }

    def choice(
        self, photo: FoundPhoto, keys: Collection[str], said: str = "", *, choices: bool = False,
        corner: Point | None = None,
    ) -> Update:  # fmt: skip
        """All that shows which faces are chosen. said: beside the picture, in front; choices: also which there are."""
        chosen = choosing.in_order(photo, keys)
        offered = [(sentence_case(choosing.name(photo, key)), key) for key in choosing.places(photo)]
        return {
            self.picture: gr.update(
                value=framed_picture(photo, chosen, corner), visible=True, label=LABEL if offered else NO_FACES
            ),
            self.hint: hint(photo, chosen, said),
            self.faces: gr.update(value=chosen, choices=offered, visible=bool(offered)) if choices else chosen,
            self.start: gr.update(interactive=bool(chosen)),
        }

    def not_drawing(self) -> Update:
        return {
            self.by_hand: gr.update(value=False),
            self.details: gr.update(visible=False),
            self.turn: "",
            self.edges: "",
            self.corner: None,
        }

    def on_faces(self, keys: list[str], photo: FoundPhoto | None) -> Update:
        """A drawn box that is not chosen any more is gone."""
        if photo is None:
            return {self.start: gr.skip()}
        kept = choosing.without_drawn(photo, keys)
        if kept is photo:
            changed = self.choice(photo, keys)
            del changed[self.faces]  # as it is: the check box in use keeps the keyboard
            return {**changed, self.corner: None}
        return {self.found: kept, self.corner: None, **self.choice(kept, keys, choices=True)}

    def on_click(
        self, keys: list[str], photo: FoundPhoto | None, drawing: bool, corner: Point | None, turn: str,
        event: gr.SelectData,
    ) -> Update:  # fmt: skip
        """On a face, or where a corner of a box is to be."""
        if photo is None:
            return {self.faces: gr.skip()}
        x, y = event.index
        at = (x / photo.scale, y / photo.scale)
        if drawing and corner is not None:
            return self.with_box(photo, keys, (corner, at), turn)
        if drawing:
            said = "One corner is marked. Now click the opposite one."
            return {**self.choice(photo, keys, said, corner=at), self.corner: at}
        if (key := face_at(x, y, choosing.places(photo), photo.scale)) is None:
            return {self.faces: gr.skip()}
        toggled = set(keys) ^ {key}
        return {**self.on_faces(list(toggled), photo), self.faces: self.choice(photo, toggled)[self.faces]}

    def on_by_hand(self, drawing: bool, keys: list[str], photo: FoundPhoto | None) -> Update:
        if photo is None:
            return self.not_drawing()
        if not drawing:
            return {**self.not_drawing(), **self.choice(photo, keys)}
        return {
            self.details: gr.update(visible=True),
            self.corner: None,
            self.hint: hint(photo, keys, "Click one corner of a box around the face, then the opposite one."),
        }

    def on_edges(self, text: str, keys: list[str], photo: FoundPhoto | None, turn: str) -> Update:
        if photo is None:
            return {self.faces: gr.skip()}
        try:
            corners = choosing.corners_in(text)
        except UsageError as error:
            return {**self.choice(photo, keys, str(error)), self.corner: None}
        return self.with_box(photo, keys, corners, turn)

    def with_box(self, photo: FoundPhoto, keys: Sequence[str], corners: tuple[Point, Point], turn: str) -> Update:
        """A drawn face more, chosen; or why that cannot be."""
        try:
            photo, key = choosing.with_drawn(photo, corners, turn)
        except UsageError as error:
            return {**self.choice(photo, keys, str(error)), self.corner: None}
        added = f"{sentence_case(choosing.name(photo, key))} is added."
        if other := choosing.same_place(photo, key):
            added += f" It is at the place of {choosing.name(photo, other)}: leave one of the two out."
        return {
            **self.not_drawing(),
            **self.choice(photo, [*keys, key], added, choices=True),
            self.found: photo,
        }


def build(found: gr.State, start: gr.Button) -> FacePicker:
    """Where the photo is to be shown. start: stands elsewhere."""
    corner = gr.State(None)
    picture = gr.Image(
        label=LABEL, elem_classes="faces", visible=False, interactive=False, type="filepath", buttons=["fullscreen"]
    )
    beside = gr.HTML(EMPTY, padding=False)
    faces = gr.CheckboxGroup(label="Faces to protect", visible=False)
    by_hand = gr.Checkbox(label=BY_HAND, container=False, visible=False)
    with gr.Group(visible=False) as details:
        turn = gr.Radio(
            [(text, at) for at, text in TURNS.items()], value="", label="The top of the head points",
        )  # fmt: skip
        edges = gr.Textbox(label="Or its edges in pixels: left, top, right, bottom", placeholder="120, 80, 200, 180")
        add = gr.Button("Add this box", size="sm")
    return FacePicker(found, corner, picture, beside, faces, by_hand, details, turn, edges, add, start)


def hint(photo: FoundPhoto, keys: Collection[str], said: str = "") -> str:
    """What to know about the frames, `said` in front; read out by screen readers when it changes."""
    left = words.possible_left_on_picture(choosing.left_possible(photo, keys))
    parts = [f"<strong>{escape(said)}</strong>" if said else "", left, words.DRAWN if photo.drawn else ""]
    return EMPTY.replace("><", f">{' '.join(filter(None, parts))}<")


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def framed_picture(photo: FoundPhoto, chosen: Sequence[str], corner: Point | None = None) -> str:
    """The picture with its frames; another name for each choice, so that no browser shows an earlier one."""
    frames = [
        Frame(box, choosing.mark(photo, key), key in chosen, choosing.is_possible(key))
        for key, box in choosing.places(photo).items()
    ]
    key = hashlib.sha256(repr((frames, corner)).encode()).hexdigest()[:16]
    path = photo.folder / f"faces-{key}.png"
    with_frames(photo.preview, frames, photo.scale, corner).save(path, compress_level=1)
    return str(path)
