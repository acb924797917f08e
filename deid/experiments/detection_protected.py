"""What is protected where faces are turned, cut off or small; and whether that holds in other programs' searches.

The saved file is searched as others may do it, the whole of it: turned upright, at several sizes, by either detector,
and cut out of it. This is not the program's own check, which looks at the part around each face.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deid.anonymity.conditions import rank_of
from deid.anonymity.groups import draw_groups, seeded_rng
from deid.anonymity.intervals import proportion
from deid.experiments.detection_changes import CHANGES, Change, is_at
from deid.experiments.kept import kept_lines, profile_key
from deid.faces.centerface import centerface
from deid.faces.detect import reduced_to, same_face
from deid.faces.face import Face, inside, scaled
from deid.faces.mtcnn import mtcnn
from deid.faces.orientation import quarters_of, turned_back
from deid.images.photo import decode_photo, read_photo
from deid.protection.enrollment import FoundFace
from deid.protection.pipeline import process_photo
from deid.protection.protector import Protector, load_protector
from deid.recognizers.gallery import Enrollment
from deid.recognizers.recognizer import embed_faces
from deid.training.data import central_face
from deid.types import Options

ROWS = ("upright", "turned by 90°", "turned by 180°", "half of the face cut off", "24 pixels wide")
PROFILE = "paper"
SIDES = (4032, 2048, 1536, 1024)
SCORE = 0.5  # CenterFace's, from which on others take something for a face
LARGE = (4032, 3024)
MOST_LARGE = 2  # photos: each takes minutes
SIX = "twelve megapixels"


@dataclass(frozen=True)
class ProtectedFace:
    """Of one face that counts.

    found: whether it was found; protected: whether the program says so of it.
    looks, first: at how many looks of others at the saved file it is found, and at how many it is first.
    ssim: of the aligned face.
    """

    found: bool
    protected: bool
    looks: int = 0
    first: int = 0
    ssim: float = 0.0


@dataclass(frozen=True)
class ProtectedPhoto:
    """Of one photo. seconds: to protect it, its own checks included."""

    faces: tuple[ProtectedFace, ...]
    seconds: float


Job = tuple[str, Callable[[], ProtectedPhoto | None]]


def protected_table(photos: Sequence[Path]) -> list[str]:
    """A row for each of ROWS, and one for faces in photos of twelve megapixels by the default profile."""
    jobs: list[Job]
    lines = [
        "| | profile | faces | protected | first again at any other look, of the protected | other looks a face"
        " | SSIM, median | seconds a photo |",
        "|" + "---|" * 8,
    ]
    for name in ROWS:
        protector = load_protector(Options(profile=PROFILE, seed=0))
        jobs = [(photo.name, partial(_of_person, photo, CHANGES[name], protector, number))
                for number, photo in enumerate(photos)]  # fmt: skip
        lines.append(_row(name, PROFILE, _kept(name, PROFILE, jobs)))
    default = Options().profile
    protector = load_protector(Options(profile=default, seed=0))
    sixes = [photos[at : at + 6] for at in range(0, len(photos) - 5, 6)][:MOST_LARGE]
    jobs = [(six[0].name, partial(_of_six, six, protector, number)) for number, six in enumerate(sixes)]
    if jobs:
        lines.append(_row(f"{SIX}, six faces of 105 pixels a photo", default, _kept(SIX, default, jobs)))
    return lines


def _kept(name: str, profile: str, jobs: Sequence[Job]) -> list[ProtectedPhoto]:
    settings = [f"protected, {name}", profile_key(profile)]
    return list(kept_lines("detection", settings, jobs, _read, lambda text: print(text, file=sys.stderr)))


def _read(faces: Sequence[dict[str, Any]], seconds: float) -> ProtectedPhoto:
    return ProtectedPhoto(tuple(ProtectedFace(**face) for face in faces), seconds)


def _row(name: str, profile: str, photos: Sequence[ProtectedPhoto]) -> str:
    faces = [face for photo in photos for face in photo.faces]
    protected = [face for face in faces if face.protected]
    cells = [
        name,
        profile,
        str(len(faces)),
        f"{proportion(len(protected), len(faces)):.1f%}",
        f"{proportion(sum(face.first > 0 for face in protected), len(protected)):.1f%}",
        f"{np.mean([face.looks for face in protected]) if protected else 0:.1f}",
        f"{np.median([face.ssim for face in protected]) if protected else 0:.3f}",
        f"{np.median([photo.seconds for photo in photos]):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _of_person(photo: Path, change: Change, protector: Protector, number: int) -> ProtectedPhoto | None:
    pixels = read_photo(photo).pixels
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    face = central_face(mtcnn(rgb[None])[0], rgb.shape[:2])
    if face is None:
        return None
    changed, landmarks = change(rgb, face)
    return _protected(Image.fromarray(changed), [landmarks], protector, number)


def _of_six(photos: Sequence[Path], protector: Protector, number: int) -> ProtectedPhoto:
    large = twelve_megapixels(photos)
    faces = sorted(mtcnn(reduced_to(np.asarray(large), 2048)[None])[0], key=lambda face: face.box[0])
    landmarks = [scaled(face, LARGE[0] / 2048, LARGE[0] / 2048).landmarks for face in faces]
    return _protected(large, landmarks, protector, number)


def twelve_megapixels(photos: Sequence[Path]) -> Image.Image:
    """Photos of one face each, as they are, in a large plain one with a little grain."""
    y, x = np.mgrid[0 : LARGE[1], 0 : LARGE[0]].astype(np.float32)
    grain = np.random.default_rng(5).normal(0, 3, (LARGE[1], LARGE[0])).astype(np.float32)
    gray = 120 + 40 * x / LARGE[0] + 30 * y / LARGE[1] + grain
    image = Image.fromarray(np.repeat(gray.clip(0, 255).astype(np.uint8)[:, :, None], 3, 2))
    for at, photo in enumerate(photos):
        image.paste(Image.open(photo).convert("RGB"), (700 + 450 * at, 1400 + 60 * (at % 3)))
    return image


def _protected(
    image: Image.Image, landmarks: Sequence[np.ndarray], protector: Protector, number: int
) -> ProtectedPhoto:
    """Protect a picture, and look at the file as others do. landmarks: (5, 2), where each face is that counts."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.png"
        image.save(source, compress_level=1)
        rng = seeded_rng(number)
        level = protector.options.k_level
        processed = process_photo(source, source, protector, lambda found: draw_groups(len(found), level, rng))
    result, size = processed.result, (image.height, image.width)
    saved = None if processed.data is None else decode_photo(processed.data).pixels
    measured = []
    for points in landmarks:
        at = next((i for i, found in enumerate(processed.found) if is_at(found.face, points, size)), None)
        if at is None or saved is None:
            measured.append(ProtectedFace(at is not None, protected=False))
            continue
        of_face = result.faces[at]
        ranks = _ranks_of_others(saved, processed.found[at], protector)
        first = sum(rank == 1 for rank in ranks)
        measured.append(ProtectedFace(True, of_face.outcome == "protected", len(ranks), first, of_face.ssim or 0.0))
    return ProtectedPhoto(tuple(measured), result.seconds)


def _ranks_of_others(rgb: np.ndarray, found: FoundFace, protector: Protector) -> list[int]:
    """Of a face at every look of others that finds it in the saved photo, uint8 (H, W, 3)."""
    surrogate = protector.surrogates[0]
    landmarks = list(_looks(rgb, found.face))
    if not landmarks:
        return []
    embeddings = embed_faces(surrogate.recognizer, rgb, landmarks)
    enrollments = [Enrollment("itself", found.embedding)] * len(landmarks)
    return [int(rank) for rank in rank_of(surrogate.gallery.logits(embeddings, enrollments), 0)]


def _looks(rgb: np.ndarray, face: Face) -> Iterator[np.ndarray]:
    """Landmarks (5, 2) in the photo, of the whole of it at several sizes, and cut out with margins, turned upright."""
    turn = quarters_of(face.landmarks)
    x0, y0, x1, y1 = face.box
    pieces = [(rgb, 0, 0, side) for side in (max(rgb.shape[:2]), *SIDES) if side <= max(rgb.shape[:2])]
    for margin in (0.2, 0.5, 1.0):
        room = margin * max(x1 - x0, y1 - y0)
        left, top = max(0, int(x0 - room)), max(0, int(y0 - room))
        part = rgb[top : int(y1 + room), left : int(x1 + room)]
        pieces.append((part, left, top, max(part.shape[:2])))
    for part, left, top, side in pieces:
        reduced = reduced_to(part, side)
        turned = np.ascontiguousarray(np.rot90(reduced, turn))
        x, y = part.shape[1] / reduced.shape[1], part.shape[0] / reduced.shape[0]
        for seen in (mtcnn(turned[None])[0], centerface(turned[None], threshold=SCORE)[0]):
            back = [scaled(turned_back(other, turn, *reduced.shape[:2]), x, y) for other in seen]
            place = Face((x0 - left, y0 - top, x1 - left, y1 - top), face.landmarks, 1.0)
            if (again := same_face(place, [inside(other, part) for other in back])) is not None:
                yield again.landmarks + np.array([left, top])
