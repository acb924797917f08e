"""A person's other photos: what it helps to know them (`--mine`), and whether protected photos of a person link up.

The adversary has enrolled yet other photos of the person.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deid.anonymity.intervals import median_interval, proportion
from deid.experiments.kept import kept_lines, profile_key
from deid.experiments.transfer_people import embedding_of
from deid.faces.detect import detect_again, detect_faces
from deid.images.photo import decode_photo, read_photo
from deid.protection.pipeline import process_photo
from deid.protection.protector import Protector, load_protector
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.recognizer import Recognizer
from deid.storage.atomic import write_atomically
from deid.training.data import central_face, held_out_people
from deid.types import Options

PROTECTED = 2  # photos of each person, the first
MOST = 8  # other photos that are told; one at least is left to be enrolled
# The name of a row → how many other photos are told, and whether faces drift to a stranger drawn for each photo.
ROWS: dict[str, tuple[int, bool]] = {
    "none told": (0, True),
    "1 told": (1, True),
    "3 told": (3, True),
    "8 told": (8, True),
    "none told, no stranger": (0, False),
}


@dataclass(frozen=True)
class Linked:
    """One person.

    ssim: of each protected photo's face.
    enrolled: recognizer → cosines of each protected photo with each enrolled one.
    linked: recognizer → cosine between the two protected photos.
    """

    ssim: Sequence[float]
    enrolled: Mapping[str, Sequence[float]]
    linked: Mapping[str, float]


def reproduce_own_photos(people: Path, *, device: str = "auto", rows: Mapping[str, tuple[int, bool]] = ROWS) -> str:
    """The table, as Markdown. people: a folder a person (LFW); those held out with photos enough are measured."""
    names = sorted(held_out_people(path.name for path in people.iterdir() if path.is_dir()))
    photos = {name: sorted((people / name).glob("*.jpg")) for name in names}
    enough = {name: files for name, files in photos.items() if len(files) > PROTECTED + MOST}
    recognizers = [load_recognizer(name) for name, entry in manifest().items() if entry.path.is_file()]
    titles = [recognizer.name for recognizer in recognizers]
    lines = [
        "| other photos | people | SSIM, median | " + " | ".join(titles) + " |",
        "|" + "---|" * (3 + len(titles)),
    ]
    for row, (told, drift) in rows.items():
        items = [(name, partial(_measure, files, told, drift, device, recognizers)) for name, files in enough.items()]
        settings: list[Any] = [row, profile_key(Options().profile), sorted(r.sha256 for r in recognizers)]
        measured = list(kept_lines("own photos", settings, items, Linked, lambda text: print(text, file=sys.stderr)))
        cells = [_cell(recognizer, measured) for recognizer in recognizers]
        ssim = median_interval([value for line in measured for value in line.ssim])
        lines.append(f"| {row} | {len(measured)} | {ssim} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(recognizer: Recognizer, lines: Sequence[Linked]) -> str:
    """Share of pairs that match at FAR 1e-2: with enrolled photos; of two protected ones."""
    threshold = recognizer.thresholds.get("1e-2", 1.0)
    enrolled = [value >= threshold for line in lines for value in line.enrolled[recognizer.name]]
    linked = [line.linked[recognizer.name] >= threshold for line in lines]
    mean = np.mean([line.linked[recognizer.name] for line in lines])
    return f"{proportion(sum(enrolled), len(enrolled)):%}; {proportion(sum(linked), len(linked)):%}, mean {mean:.2f}"


def _measure(
    files: Sequence[Path], told: int, drift: bool, device: str, recognizers: Sequence[Recognizer]
) -> Linked | None:
    """files: of one person: those to protect, then those that may be told, then those that are enrolled."""
    mine, enrolled = files[PROTECTED : PROTECTED + told], files[PROTECTED + MOST :]
    with tempfile.TemporaryDirectory() as folder:
        for file in mine:
            write_atomically(file.read_bytes(), Path(folder) / file.name)
        options = Options(device=device, write_unverified=True, mine=Path(folder) if mine else None)
        protector = load_protector(options)
    protected = [_protected(file, protector, drift, recognizers) for file in files[:PROTECTED]]
    others = [_clean(file, recognizers) for file in enrolled]
    published = [photo for photo in protected if photo is not None]
    if len(published) < PROTECTED or not any(others):
        return None
    names = [recognizer.name for recognizer in recognizers]
    return Linked(
        ssim=[ssim for ssim, _ in published],
        enrolled={
            name: [float(seen[name] @ other[name]) for _, seen in published for other in others if other]
            for name in names
        },
        linked={name: float(published[0][1][name] @ published[1][1][name]) for name in names},
    )


def _protected(
    file: Path, protector: Protector, drift: bool, recognizers: Sequence[Recognizer]
) -> tuple[float, dict[str, np.ndarray]] | None:
    """SSIM and embeddings of a photo's central face, as it is published."""
    profile = protector.profile if drift else replace(protector.profile, toward_stranger=0.0)
    with tempfile.TemporaryDirectory() as folder:
        processed = process_photo(
            file, Path(folder) / "out.jpg", replace(protector, profile=profile), lambda found: [2] * len(found)
        )
    if processed.data is None:
        return None
    pixels = decode_photo(processed.data).pixels
    faces = [found.face for found in processed.found]
    face = central_face(faces, pixels.shape[:2])
    if face is None:
        return None
    result = processed.result.faces[next(at for at, other in enumerate(faces) if other is face)]
    again = detect_again(pixels, [face], device=protector.device)[0] or face
    return result.ssim or 0.0, {r.name: embedding_of(r, pixels, again) for r in recognizers}


def _clean(file: Path, recognizers: Sequence[Recognizer]) -> dict[str, np.ndarray]:
    """Embeddings of a photo's central face; none where no face is found."""
    pixels = read_photo(file).pixels
    face = central_face(detect_faces(pixels), pixels.shape[:2])
    return {} if face is None else {r.name: embedding_of(r, pixels, face) for r in recognizers}
