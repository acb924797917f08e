"""A look that is judged by looking: faces clean beside protected, and figures of what SSIM and FLIP do not see."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

from deid.errors import UsageError
from deid.experiments.look_faces import Subject, protected, subjects_of
from deid.experiments.look_figures import figures_of
from deid.experiments.look_sheet import Panel, pages_of, panel_of
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.recognizers.device import device_for
from deid.storage.atomic import write_atomically
from deid.types import Options

# A figure → its title, its format, and which of several is the worst.
FIGURES: Mapping[str, tuple[str, str, Callable[[Iterable[float]], float]]] = {
    "ssim": ("SSIM", ".3f", min),
    "skin_delta_e": ("skin ΔE", ".1f", max),
    "lines": ("lines", ".1f", max),
    "all_lines": ("all lines", ".1f", max),
    "iris_delta_e": ("iris ΔE", ".1f", max),
    "outside": ("outside", ".0f", max),
}
# Without Greek, which the font lacks.
CAPTION = (
    "SSIM {ssim:.3f}, skin dE {skin_delta_e:.1f}, lines {lines:.1f}, all {all_lines:.1f}, iris dE {iris_delta_e:.1f}"
)


def reproduce_look(
    people: Path, samples: Sequence[Path], out: Path, *, profiles: Sequence[str] = (), device: str = "auto"
) -> str:
    """The table as Markdown; with its JSON and the pages of pictures it is written to `out`.

    people: a folder a person (LFW); samples: further photos; profiles: of PROFILES, all by default.
    Raises UsageError for another profile, and for a photo that is not there.
    """
    if unknown := set(profiles) - PROFILES.keys():
        raise UsageError(f"no profile called {', '.join(sorted(unknown))}: there are {', '.join(PROFILES)}")
    device = device_for(device)
    options = [Options(profile=name, device=device) for name in profiles or PROFILES]
    load = {by.profile: cache(partial(load_protector, by)) for by in options}
    faces: list[dict[str, Any]] = []
    rows: list[list[Panel]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed, subject in enumerate(subjects_of(people, samples, Path(folder), device)):
            looked = [_look(subject, replace(by, seed=seed), load[by.profile]) for by in options]
            faces += [figures for figures, _ in looked]
            clean = panel_of(f"{subject.name}: clean", subject.pixels, subject.face.box)
            rows.append([clean, *(panel for _, panel in looked)])
    document = {"profiles": {by.profile: _summary(faces, by.profile) for by in options}, "faces": faces}
    table = _as_table(document)
    write_atomically(json.dumps(document, indent=2).encode(), out / "look.json", overwrite=True)
    write_atomically(table.encode(), out / "look.md", overwrite=True)
    for number, page in enumerate(pages_of(rows), 1):
        write_atomically(page, out / f"look-{number}.jpg", overwrite=True)
    return table


def _look(subject: Subject, options: Options, protector: Callable[[], Protector]) -> tuple[dict[str, Any], Panel]:
    """The figures of one face by one profile, as they stand in look.json, and its panel on the page."""
    print(f"{subject.name}: {options.profile}", file=sys.stderr)
    saved = protected(subject, options, protector)
    figures = {"ssim": saved.ssim, **asdict(figures_of(subject.pixels, saved.pixels, subject.face.landmarks))}
    failed = "" if saved.holds else ", not protected"
    caption = f"{subject.name}: {options.profile}{failed}\n{CAPTION.format(**figures)}"
    face = {"face": subject.name, "profile": options.profile, "protected": saved.holds, **figures}
    return face, panel_of(caption, saved.pixels, subject.face.box)


def _summary(faces: Sequence[Mapping[str, Any]], profile: str) -> dict[str, Any]:
    """Of one profile: how many faces, how many protected, and each figure's median and worst."""
    own = [face for face in faces if face["profile"] == profile]
    figures = {
        name: {"median": median(face[name] for face in own), "worst": worst(face[name] for face in own)}
        for name, (_, _, worst) in FIGURES.items()
    }
    return {"n": len(own), "protected": sum(face["protected"] for face in own), **figures}


def _as_table(document: Mapping[str, Any]) -> str:
    """Two tables: each figure's median and worst by profile, and the figures of each face."""
    titles = [title for title, _, _ in FIGURES.values()]
    lines = [_line(["median, worst", "N", "protected", *titles]), "|" + "---|" * (3 + len(titles))]
    for profile, row in document["profiles"].items():
        cells = [f"{row[name]['median']:{how}}, {row[name]['worst']:{how}}" for name, (_, how, _) in FIGURES.items()]
        lines.append(_line([profile, str(row["n"]), str(row["protected"]), *cells]))
    lines += ["", _line(["face", "profile", "protected", *titles]), "|" + "---|" * (3 + len(titles))]
    for face in document["faces"]:
        cells = [format(face[name], how) for name, (_, how, _) in FIGURES.items()]
        lines.append(_line([face["face"], face["profile"], "yes" if face["protected"] else "no", *cells]))
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
