"""Which faces are found: turned, cut off, small, and where there is none; by MTCNN alone and by both detectors."""

import io
import math
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from deid.anonymity.intervals import proportion
from deid.experiments.kept import kept_lines
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.mtcnn import mtcnn
from deid.faces.orientation import angle_of
from deid.images.photo import read_photo
from deid.training.data import central_face, held_out_people

ENLARGED = 320  # pixels a side of a picture without a face
NARROW = 24  # pixels of a face's width, in the row of small faces
RIGHT_WAY_UP = math.radians(30)

Detector = Callable[[np.ndarray], list[Face]]
DETECTORS: dict[str, Detector] = {"MTCNN": lambda rgb: mtcnn(rgb[None])[0], "both detectors": detect_faces}


@dataclass(frozen=True)
class Looked:
    """Of one picture and each detector, in their order.

    found: whether the face was found, at its place.
    upright: whether the landmarks are the right way up, for a face that was found.
    others: faces found beside it, or where there is none.
    seconds: that it took.
    """

    found: tuple[bool, ...]
    upright: tuple[bool, ...]
    others: tuple[int, ...]
    seconds: tuple[float, ...]


def reproduce_detection(people: Path, *, count: int, faceless: Sequence[Path]) -> str:
    """The table, as Markdown.

    people: a folder with a folder a person (LFW), of whom `count` held-out ones are looked for.
    faceless: zips of pictures without a face, of which `count` each are searched, enlarged.
    """
    names = sorted(held_out_people(path.name for path in people.iterdir() if path.is_dir()))[:count]
    photos = [photo for name in names if (photo := min((people / name).glob("*.jpg"), default=None)) is not None]
    rows = [
        (name, list(_measured(name, photos, partial(_of_person, change=change)))) for name, change in CHANGES.items()
    ]
    lines = [f"| | N | {' | '.join(f'found: {name}' for name in DETECTORS)} | the right way up, of those found |"]
    lines.append("|" + "---|" * (3 + len(DETECTORS)))
    for name, looked in rows:
        shares = [f"{proportion(sum(line.found[at] for line in looked), len(looked)):.1f%}" for at in range(2)]
        turned = [line.upright[1] for line in looked if line.found[1]]
        cells = [name, str(len(looked)), *shares, f"{proportion(sum(turned), len(turned)):.1f%}"]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| | pictures | " + " | ".join(f"false faces a picture: {name}" for name in DETECTORS) + " |"]
    lines.append("|" + "---|" * (2 + len(DETECTORS)))
    for file in faceless:
        looked = list(_measured(f"faceless {file.parent.name}", _pictures(file, count), _of_nobody))
        means = [f"{np.mean([line.others[at] for line in looked]):.3f}" for at in range(2)]
        lines.append("| " + " | ".join([file.parent.name, str(len(looked)), *means]) + " |")
    whole = [line for name, looked in rows if name == "upright" for line in looked]
    ratio = np.median([line.seconds[1] / line.seconds[0] for line in whole])
    return "\n".join([*lines, "", f"Seconds of both against MTCNN's on the upright photos, median: {ratio:.2f}."])


def _pictures(file: Path, count: int) -> list[bytes]:
    """Pictures of a zip, at even distances."""
    with zipfile.ZipFile(file) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        return [archive.read(name) for name in names[:: -(-len(names) // count)]]


def _measured(name: str, items: Sequence[object], look: Callable[..., "Looked | None"]) -> Iterator[Looked]:
    jobs = ((f"{at}", partial(look, item)) for at, item in enumerate(items))
    return kept_lines(
        "detection", [name, len(items)], jobs, lambda **fields: Looked(**{k: tuple(v) for k, v in fields.items()}),
        lambda text: print(text, file=sys.stderr),
    )  # fmt: skip


def _of_person(photo: Path, change: "Change") -> Looked | None:
    pixels = read_photo(photo).pixels
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    face = central_face(detect_faces(rgb), rgb.shape[:2])
    if face is None:
        return None
    changed, landmarks = change(rgb, face)
    return _look(changed, landmarks)


def _of_nobody(picture: bytes) -> Looked:
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC)
    return _look(np.asarray(image), None)


def _look(rgb: np.ndarray, landmarks: np.ndarray | None) -> Looked:
    """landmarks: (5, 2), where the face is; None where there is none."""
    found, upright, others, seconds = [], [], [], []
    for detect in DETECTORS.values():
        started = time.perf_counter()
        faces = detect(rgb)
        seconds.append(time.perf_counter() - started)
        hits = [] if landmarks is None else [face for face in faces if _is_at(face, landmarks)]
        best = max(hits, key=lambda face: face.probability, default=None)
        found.append(best is not None)
        turn = 0.0 if best is None or landmarks is None else angle_of(best.landmarks) - angle_of(landmarks)
        upright.append(best is not None and abs(math.remainder(turn, math.tau)) <= RIGHT_WAY_UP)
        others.append(len(faces) - len(hits))
    return Looked(tuple(found), tuple(upright), tuple(others), tuple(seconds))


def _is_at(face: Face, landmarks: np.ndarray) -> bool:
    """Does the box hold most of the landmarks, and is it not much larger than they are apart?"""
    x0, y0, x1, y1 = face.box
    inside = (landmarks > (x0, y0)) & (landmarks < (x1, y1))
    extent = float(np.linalg.norm(np.ptp(landmarks, 0)))
    return int(inside.all(1).sum()) >= 2 and max(x1 - x0, y1 - y0) < 5 * extent


Change = Callable[[np.ndarray, Face], tuple[np.ndarray, np.ndarray]]
"""RGB pixels and their face → changed pixels, and where the landmarks are there."""


def _turned(degrees: float) -> Change:
    def turned(rgb: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
        height, width = rgb.shape[:2]
        image = Image.fromarray(rgb).rotate(degrees, Image.Resampling.BICUBIC)
        angle, center = -math.radians(degrees), np.array([width - 1, height - 1]) / 2
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return np.asarray(image), (face.landmarks - center) @ turn.T + center

    return turned


def _cut(share: float) -> Change:
    """So much of the face's width is gone on the right."""

    def cut(rgb: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
        x0, _, x1, _ = face.box
        return np.ascontiguousarray(rgb[:, : max(1, round(x1 - share * (x1 - x0)))]), face.landmarks

    return cut


def _small(rgb: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    scale = NARROW / (face.box[2] - face.box[0])
    size = tuple(max(1, round(side * scale)) for side in (rgb.shape[1], rgb.shape[0]))
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BOX)
    return np.asarray(image), (face.landmarks + 0.5) * (size[0] / rgb.shape[1], size[1] / rgb.shape[0]) - 0.5


CHANGES: dict[str, Change] = {
    "upright": lambda rgb, face: (rgb, face.landmarks),
    **{f"turned by {degrees}°": _turned(degrees) for degrees in (45, 60, 90, 180)},
    "half of the face cut off": _cut(0.5),
    "30 % of it cut off": _cut(0.3),
    f"{NARROW} pixels wide": _small,
}
