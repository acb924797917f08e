"""What is protected where faces are turned, cut off or small; and whether that holds in other programs' searches.

The saved file is searched as others may do it, the whole of it: turned upright, at several sizes, by either detector,
and cut out of it. This is not the program's own check, which looks at the part around each face.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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


@dataclass(frozen=True)
class Protected:
    """Of one photo, or of one face of a large one.

    found: whether the face was found; protected: whether the program says so of it.
    looks, first: at how many looks of others at the saved file the face is found, and at how many it is first.
    ssim: of the aligned face.
    seconds: of the photo.
    """

    found: bool
    protected: bool
    looks: int
    first: int
    ssim: float
    seconds: float


def protected_table(photos: Sequence[Path]) -> list[str]:
    """A row for each of ROWS, and one for faces in photos of twelve megapixels by the default profile."""
    lines = [
        "| | profile | N | protected | first again at any other look, of the protected | other looks a face"
        " | SSIM, median | seconds a photo |",
        "|" + "---|" * 8,
    ]
    for name in ROWS:
        protector = load_protector(Options(profile=PROFILE, seed=0))
        jobs = ((photo.name, partial(_of_person, photo, CHANGES[name], protector, number))
                for number, photo in enumerate(photos))  # fmt: skip
        lines.append(_row(name, PROFILE, list(_kept(name, PROFILE, jobs))))
    default = Options().profile
    protector = load_protector(Options(profile=default, seed=0))
    sixes = [photos[at : at + 6] for at in range(0, min(12, len(photos)), 6)]
    jobs = (
        (f"{six[0].name}, face {at}", partial(_of_six, six, protector, at)) for six in sixes for at in range(len(six))
    )
    lines.append(_row("six faces of 105 pixels in twelve megapixels", default, list(_kept("large", default, jobs))))
    return lines


def _kept(name: str, profile: str, jobs: Iterator[tuple[str, partial[Protected | None]]]) -> Iterator[Protected]:
    settings = [f"protected, {name}", profile_key(profile)]
    return kept_lines("detection", settings, jobs, Protected, lambda text: print(text, file=sys.stderr))


def _row(name: str, profile: str, measured: Sequence[Protected]) -> str:
    protected = [line for line in measured if line.protected]
    cells = [
        name,
        profile,
        str(len(measured)),
        f"{proportion(len(protected), len(measured)):.1f%}",
        f"{proportion(sum(line.first > 0 for line in protected), len(protected)):.1f%}",
        f"{np.mean([line.looks for line in protected]) if protected else 0:.1f}",
        f"{np.median([line.ssim for line in protected]) if protected else 0:.3f}",
        f"{np.median([line.seconds for line in measured]):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _of_person(photo: Path, change: Change, protector: Protector, number: int) -> Protected | None:
    pixels = read_photo(photo).pixels
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    face = central_face(mtcnn(rgb[None])[0], rgb.shape[:2])
    if face is None:
        return None
    changed, landmarks = change(rgb, face)
    (measured,) = _protected(Image.fromarray(changed), [landmarks], protector, number)
    return measured


_LARGE: dict[str, list[Protected]] = {}


def _of_six(photos: Sequence[Path], protector: Protector, at: int) -> Protected | None:
    key = str(photos[0])
    if key not in _LARGE:
        large = twelve_megapixels(photos)
        faces = sorted(mtcnn(reduced_to(np.asarray(large), 2048)[None])[0], key=lambda face: face.box[0])
        landmarks = [scaled(face, LARGE[0] / 2048, LARGE[0] / 2048).landmarks for face in faces]
        _LARGE[key] = _protected(large, landmarks, protector, len(_LARGE))
    return _LARGE[key][at] if at < len(_LARGE[key]) else None


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
) -> list[Protected]:
    """Protect a picture, and look at the file as others do. landmarks: (5, 2), where each face is that counts."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.png"
        image.save(source, compress_level=1)
        rng = seeded_rng(number)
        level = protector.options.k_level
        processed = process_photo(source, source, protector, lambda found: draw_groups(len(found), level, rng))
    result, size = processed.result, (image.height, image.width)
    measured = []
    for points in landmarks:
        at = next((i for i, found in enumerate(processed.found) if is_at(found.face, points, size)), None)
        if at is None:
            measured.append(Protected(False, False, 0, 0, 0.0, result.seconds))
            continue
        of_face = result.faces[at]
        is_protected = of_face.outcome == "protected" and processed.data is not None
        ranks = []
        if processed.data is not None:
            ranks = _ranks_of_others(decode_photo(processed.data).pixels, processed.found[at], protector)
        seen = len(ranks), sum(rank == 1 for rank in ranks)
        measured.append(Protected(True, is_protected, *seen, of_face.ssim or 0.0, result.seconds))
    return measured


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
