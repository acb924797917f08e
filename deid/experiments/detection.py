"""Which faces are found, turned, cut off, small, and where there is none; and what is protected then."""

import io
import math
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deid.anonymity.intervals import proportion
from deid.experiments.detection_changes import CHANGES, Change, is_at
from deid.experiments.detection_protected import protected_table, twelve_megapixels
from deid.experiments.kept import kept_lines
from deid.faces.detect import detect, detect_faces, reduced_to
from deid.faces.face import Face, scaled
from deid.faces.mtcnn import mtcnn
from deid.faces.orientation import angle_of
from deid.images.photo import read_photo
from deid.training.data import central_face, held_out_people

ENLARGED = 320  # pixels a side of a picture without a face
RIGHT_WAY_UP = math.radians(30)

TIMED, REPEATS = 20, 3
MTCNN_SIDE = 2048  # pixels: what MTCNN alone would search, as programs do that know nothing else


def _mtcnn(rgb: np.ndarray) -> list[Face]:
    reduced = reduced_to(rgb, MTCNN_SIDE)
    return [scaled(face, rgb.shape[1] / reduced.shape[1], rgb.shape[0] / reduced.shape[0])
            for face in mtcnn(reduced[None])[0]]  # fmt: skip


Detector = Callable[[np.ndarray], Sequence[Face]]
DETECTORS: dict[str, Detector] = {"MTCNN": _mtcnn, "both detectors": detect_faces}


@dataclass(frozen=True)
class Looked:
    """Of one picture and each detector, in their order.

    found: whether the face was found, at its place.
    upright: whether the landmarks are the right way up, for a face that was found.
    others: faces found beside it, or where there is none.
    possible: whether both detectors are not sure of the face, or how many such places there are where there is none.
    """

    found: tuple[bool, ...]
    upright: tuple[bool, ...]
    others: tuple[int, ...]
    possible: int


def reproduce_detection(people: Path, *, count: int, faceless: Sequence[Path], protected: int) -> str:
    """The tables, as Markdown.

    people: a folder with a folder a person (LFW), of whom `count` held-out ones are looked for.
    faceless: zips of pictures without a face, of which `count` each are searched, enlarged.
    protected: so many of the people are protected, too.
    """
    names = sorted(held_out_people(path.name for path in people.iterdir() if path.is_dir()))[:count]
    photos = [photo for name in names if (photo := min((people / name).glob("*.jpg"), default=None)) is not None]
    tables = [_found_table(photos), _faceless_table(faceless, count), _seconds_table(photos)]
    if protected:
        tables.append(protected_table(photos[:protected]))
    return "\n\n".join("\n".join(lines) for lines in tables if lines)


def _found_table(photos: Sequence[Path]) -> list[str]:
    lines = [
        f"| | N | {' | '.join(f'found: {name}' for name in DETECTORS)} | possible | the right way up, of those found |"
    ]
    lines.append("|" + "---|" * (4 + len(DETECTORS)))
    for name, change in CHANGES.items():
        looked = list(_measured(name, photos, partial(_of_person, change=change)))
        shares = [f"{proportion(sum(line.found[at] for line in looked), len(looked)):.1f%}" for at in range(2)]
        possible = f"{np.mean([line.possible for line in looked]):.1%}"
        turned = [line.upright[1] for line in looked if line.found[1]]
        cells = [name, str(len(looked)), *shares, possible, f"{proportion(sum(turned), len(turned)):.1f%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _faceless_table(faceless: Sequence[Path], count: int) -> list[str]:
    if not faceless:
        return []
    lines = ["| | pictures | " + " | ".join(f"false faces a picture: {name}" for name in DETECTORS) + " | possible |"]
    lines.append("|" + "---|" * (3 + len(DETECTORS)))
    for file in faceless:
        looked = list(_measured(f"faceless {file.parent.name}", _pictures(file, count), _of_nobody))
        means = [f"{np.mean([line.others[at] for line in looked]):.3f}" for at in range(2)]
        possible = f"{np.mean([line.possible for line in looked]):.3f}"
        lines.append("| " + " | ".join([file.parent.name, str(len(looked)), *means, possible]) + " |")
    return lines


def _seconds_table(photos: Sequence[Path]) -> list[str]:
    """Not kept: two searches are compared where and when they run."""
    pictures = {"photos of people, 250 pixels": [_rgb(photo) for photo in photos[:TIMED]]}
    pictures["twelve megapixels"] = [np.asarray(twelve_megapixels(photos[:6]))]
    lines = ["| | pictures | seconds: MTCNN | both detectors | ratio |", "|---|---|---|---|---|"]
    for name, of_kind in pictures.items():
        seconds = [[_seconds(detect, rgb) for detect in DETECTORS.values()] for rgb in of_kind for _ in range(REPEATS)]
        alone, both = (statistics.median(of_detector) for of_detector in zip(*seconds, strict=True))
        ratio = statistics.median(second / first for first, second in seconds)
        lines.append(f"| {name} | {len(of_kind)} | {alone:.3f} | {both:.3f} | {ratio:.2f} |")
    return lines


def _seconds(detect: "Detector", rgb: np.ndarray) -> float:
    started = time.perf_counter()
    detect(rgb)
    return time.perf_counter() - started


def _pictures(file: Path, count: int) -> list[bytes]:
    """Pictures of a zip, at even distances."""
    with zipfile.ZipFile(file) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        return [archive.read(name) for name in names[:: -(-len(names) // count)]]


def _measured(name: str, items: Sequence[object], look: Callable[..., "Looked | None"]) -> Iterator[Looked]:
    jobs = ((f"{at}", partial(look, item)) for at, item in enumerate(items))

    def looked(**fields: Any) -> Looked:
        values: dict[str, Any] = {name: tuple(of) if isinstance(of, list) else of for name, of in fields.items()}
        return Looked(**values)

    note = partial(print, file=sys.stderr)
    return kept_lines("detection", [name, len(items)], jobs, looked, note)


def _rgb(photo: Path) -> np.ndarray:
    pixels = read_photo(photo).pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)


def _of_person(photo: Path, change: Change) -> Looked | None:
    rgb = _rgb(photo)
    face = central_face(mtcnn(rgb[None])[0], rgb.shape[:2])
    return None if face is None else _look(*change(rgb, face))


def _of_nobody(picture: bytes) -> Looked:
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
    return _look(np.asarray(image), None)


def _look(rgb: np.ndarray, landmarks: np.ndarray | None) -> Looked:
    """landmarks: (5, 2), where the face is; None where there is none."""
    both = detect(rgb)
    found, upright, others = [], [], []
    for faces in (_mtcnn(rgb), both.faces):
        hits = [] if landmarks is None else [face for face in faces if is_at(face, landmarks, rgb.shape[:2])]
        best = max(hits, key=lambda face: face.probability, default=None)
        found.append(best is not None)
        turn = 0.0 if best is None or landmarks is None else angle_of(best.landmarks) - angle_of(landmarks)
        upright.append(best is not None and abs(math.remainder(turn, math.tau)) <= RIGHT_WAY_UP)
        others.append(len(faces) - len(hits))
    possible = landmarks is None or (
        not found[1] and any(is_at(face, landmarks, rgb.shape[:2]) for face in both.possible)
    )
    count = len(both.possible) if landmarks is None else int(possible)
    return Looked(tuple(found), tuple(upright), tuple(others), count)
