"""The visitor's own face at three strengths, before the photo is protected: a click on one chooses it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from deid.types import Options

from . import words
from .handlers import STRENGTHS

Update = dict[Any, Any]


@dataclass(frozen=True, eq=False)
class StrengthRow:
    """The components; the methods are what happens when one is used.

    method: shown with the one whose strength this is. row: shown where there are pictures.
    """

    method: gr.Column
    row: gr.Column
    pictures: gr.Gallery

    @property
    def outputs(self) -> list[Component | gr.Column]:
        return [self.row, self.pictures]

    def connect(self, strength: Component, method: Any) -> None:
        self.pictures.select(self.on_select, None, strength, show_progress="hidden")
        method.input(
            lambda name: gr.update(visible=name == Options().method), method, self.method, show_progress="hidden"
        )

    def hidden(self) -> Update:
        return {self.row: gr.update(visible=False), self.pictures: gr.update(value=None)}

    def shown(self, pictures: Sequence[Path]) -> Update:
        """pictures: of the clean face, then at each strength."""
        captions = [words.CLEAN, *(words.at_strength(strength) for strength in STRENGTHS)]
        value = [(str(path), caption) for path, caption in zip(pictures, captions, strict=True)]
        return {self.row: gr.update(visible=True), self.pictures: gr.update(value=value)}

    def on_select(self, event: gr.SelectData) -> Any:
        """The clean face chooses nothing."""
        return gr.skip() if event.index == 0 else STRENGTHS[event.index - 1]


def build() -> StrengthRow:
    """Where the photo's settings are to stand."""
    with gr.Column() as method, gr.Column(visible=False) as row:
        pictures = gr.Gallery(
            label=words.PREVIEW, elem_classes="strengths", columns=4, rows=1, height="auto", object_fit="contain",
            allow_preview=False, interactive=False, buttons=[],
        )  # fmt: skip
    return StrengthRow(method, row, pictures)
