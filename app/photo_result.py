"""The end of one photo: before and after, verdict, figures, downloads."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
import pandas as pd

from . import words
from .handlers import FoundPhoto, ProtectedPhoto
from .service import Service

COLUMNS = [
    "Face", "Outcome", "Rank before", "Rank after", "Match 1:1", "SSIM", "CW-SSIM", "PSNR, dB", "Attack", "Steps",
]  # fmt: skip
WIDTHS = [120, 130, 130, 110, 110, 90, 110, 110, 140, 90]
YOU, OTHERS = "this person", "other identities"


@dataclass(frozen=True)
class ResultView:
    """outputs: the components; update: their values for a photo."""

    outputs: list[Any]
    update: Callable[[FoundPhoto, ProtectedPhoto], dict[Any, Any]]


def build(service: Service, found: gr.State, protected: gr.State) -> ResultView:
    """Inside the column of results."""
    headline = gr.Markdown(elem_classes="headline")
    slider = gr.ImageSlider(
        label="Before and after: drag the line; scroll to zoom", type="filepath", interactive=False, max_height=620,
        elem_classes="compared",
    )  # fmt: skip
    verdict = gr.Markdown()
    save = gr.DownloadButton("Download the protected photo", variant="primary")
    amplify = gr.Checkbox(label="Show what was added, ten times as strong", container=False)
    noise = gr.Image(label="What was added, × 10 around gray", visible=False, interactive=False, buttons=["fullscreen"])
    with gr.Accordion("Figures for each face", open=False):
        table = gr.Dataframe(
            headers=COLUMNS,
            interactive=False,
            label="Faces",
            column_widths=[f"{width}px" for width in WIDTHS],
            buttons=[],
        )
        which = gr.Radio(label="Show the ten most similar identities of")
        before, after = (
            gr.BarPlot(
                x="identity", y="similarity", color="who", title=title, y_lim=[0, 1], height=260, sort=None,
                color_map={YOU: "#dc2626", OTHERS: "#6b7280"}, x_label_angle=-40, show_label=False,
                color_title=" ", x_title=" ",
            )
            for title in ("Before: the ten most similar identities", "After: the ten most similar identities")
        )  # fmt: skip
    with gr.Accordion("Private settings file", open=False):
        gr.Markdown(words.SETTINGS)
        settings = gr.DownloadButton("Download the private settings file", size="sm")

    def update(photo: FoundPhoto, done: ProtectedPhoto) -> dict[Any, Any]:
        written = done.saved is not None
        faces = [(f"face {done.names[number - 1]}", number) for number in done.chosen]
        first = done.chosen[0] if done.candidates else None
        return {
            headline: "## " + words.headline(done.result).replace(". ", ".\n\n", 1),  # what else there is stands below
            slider: gr.update(value=(str(photo.view), str(done.view)) if written else None, visible=written),
            save: gr.update(value=str(done.saved) if written else None, visible=written),
            amplify: gr.update(value=False, visible=written),
            noise: gr.update(value=None, visible=False),
            verdict: verdict_text(done),
            table: rows_of(done),
            which: gr.update(choices=faces, value=first, visible=written and len(faces) > 1),
            before: gr.update(value=candidates(done, first, "before"), visible=first is not None),
            after: gr.update(value=candidates(done, first, "after"), visible=first is not None),
            settings: gr.update(value=str(done.settings) if done.settings else None),
        }

    def on_amplify(checked: bool, photo: FoundPhoto | None, done: ProtectedPhoto | None) -> Any:
        path = service.perturbation(photo, done) if checked and photo and done else None
        return gr.update(value=None if path is None else str(path), visible=path is not None)

    amplify.input(on_amplify, [amplify, found, protected], noise)
    which.input(
        lambda number, done: (candidates(done, number, "before"), candidates(done, number, "after")),
        [which, protected],
        [before, after],
    )
    return ResultView([headline, slider, save, amplify, noise, verdict, table, which, before, after, settings], update)


def verdict_text(done: ProtectedPhoto) -> str:
    """What happened to each face, what each recognizer makes of it, and what this does not cover."""
    result, lines = done.result, []
    reported = next(iter(result.weights), "")
    for number, face in enumerate(result.faces, 1):
        sizes = dict.fromkeys([opinion.name for opinion in face.recognizers], done.strangers + 1)
        if number in done.chosen and done.candidates:  # this one alone knows the people enrolled
            sizes[reported] = done.candidates[done.chosen.index(number)].size
        lines.append(f"- {words.face_sentence(face, done.names[number - 1], result, sizes.get(reported))}")
        for opinion in face.recognizers:
            lines.append(f"    - {words.recognizer_sentence(opinion, sizes[opinion.name], of=face.recognizers)}")
    return "\n".join([*lines, "", words.limits(result) if done.saved else words.why_not(result)])


def rows_of(done: ProtectedPhoto) -> list[list[Any]]:
    def shown(value: float | None, digits: int) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

    matches = {True: "yes", False: "no", None: "–"}
    return [
        [
            name.replace("possible face ", ""), face.outcome, face.rank_before or "–", face.rank_after or "–",
            matches[face.matches_at_far_1e_2],
            shown(face.ssim, 3), shown(face.cw_ssim, 3), shown(face.psnr, 1), face.attack or "–",
            face.gradient_evaluations,
        ]
        for name, face in zip(done.names, done.result.faces, strict=False)  # an unreadable photo has none
    ]  # fmt: skip


def candidates(done: ProtectedPhoto | None, number: int | None, when: str) -> pd.DataFrame | None:
    """The best-ranked identities of a face, numbered by rank."""
    if done is None or number is None or not done.candidates:
        return None
    best = getattr(done.candidates[done.chosen.index(number)], when)
    return pd.DataFrame(
        {
            "identity": [
                f"{rank:>2}. {candidate.name}"  # the space keeps the plot's order, which is the alphabet's
                for rank, candidate in enumerate(best, 1)
            ],
            "similarity": [round(candidate.similarity, 4) for candidate in best],
            "who": [YOU if candidate.name == YOU else OTHERS for candidate in best],
        }
    )
