"""What the program protects against and what it does not; which recognizers are here, and the versions."""

from importlib.metadata import version
from typing import Any

import gradio as gr

from . import words
from .page import error_message

TEXT = """
## What it does
It finds the faces in a photo and changes light and shade on each, so that nose, brows and lines look a little
different. Then it opens the **saved file** again
and asks every face recognizer on this computer who is in it. Each knows 1,001 identities, this very photo among them:
the hardest case. Before, it puts the right person first. After, those that were attacked put somebody else first and,
one to one, no longer say match. Where LightCNN-9 is to put the right person is drawn anew over its whole list. What was
not attacked is asked as well, and each result has a line for each recognizer.

## What it does not do
- **The right person is still in every list**, further down.
- **Other recognizers**, those of other makers among them, were not asked and may still match.
- **The papers' experiment** is against one recognizer alone: the right person stays among its first K+1 guesses, by
  design, one to one it may still match, and others mostly still know the face.
- **Among other strangers** than the 1,000 made-up ones, the right person may come first again. An audit tells how
  often.
- **Recompressing, resizing or cropping** the file afterwards can undo it. The usual protection is checked after some of
  that, the papers' experiment after none.
- It does not hide anyone from **people**; only a blur or a mosaic does that.

## Your photos
They stay on the computer that runs this page, in a folder of this open page alone, and are deleted when you close it.
Place, camera and all other metadata are left out of what is saved. Nothing is sent anywhere.
"""


def build() -> None:
    """Inside a tab of the page; the list of recognizers is read when asked for, since that imports torch."""
    gr.Markdown(TEXT)
    show = gr.Button("Show recognizers and versions", size="sm")
    table = gr.Dataframe(
        headers=["Recognizer", "If photos are protected with the defaults", "Trained on", "SHA-256 of its weights"],
        interactive=False, wrap=True, visible=False, label="Recognizers on this computer",
    )  # fmt: skip
    versions = gr.Markdown(visible=False)

    def on_show() -> tuple[Any, Any]:
        try:
            rows, note = recognizers(), ""
        except Exception as error:  # whatever it is, the page must not stand still
            rows, note = [], f"\n\nThe recognizers cannot be listed: {error_message(error)}"
        return gr.update(value=rows, visible=bool(rows)), gr.update(value=installed() + note, visible=True)

    show.click(on_show, None, [table, versions], show_progress="hidden")


def recognizers() -> list[list[Any]]:
    """Every recognizer on this computer and how close it is to those attacked by default."""
    from deid.protection.profiles import PROFILES
    from deid.recognizers.checkpoints import manifest
    from deid.recognizers.kinship import class_of
    from deid.types import Options

    entries, options = manifest(), Options()
    attacked = [entries[name] for name in (options.recognizer, *PROFILES[options.profile].further_surrogates)]
    return [
        [
            entry.name,
            words.CLASSES[class_of(entry, attacked)],
            entry.details.get("training_data", "not stated"),
            entry.sha256,
        ]
        for entry in entries.values()
        if entry.path.is_file()
    ]


def installed() -> str:
    names = ("face-deid", "torch", "facenet-pytorch", "gradio", "pillow")
    return "Versions: " + ", ".join(f"{name} {version(name)}" for name in names)
