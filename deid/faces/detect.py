"""Every face of a photo, whichever way up and at any size, by two detectors.

MTCNN finds upright faces and places their landmarks best; CenterFace finds turned, cut, covered and small ones, and
searches the photo at its own size, turned by 90, 180 and 270° as well. A place of which both say the same is a face;
any other is looked at closely, in its own crop in four turns, and the turn in which a face is seen best gives the
landmarks: so a face upside down is not taken for an upright one with its eyes on its cheeks.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from deid.faces.centerface import MULTIPLE, centerface
from deid.faces.face import Face, inside, left_to_right, moved, overlap, scaled
from deid.faces.mtcnn import LARGER, mtcnn, refined
from deid.faces.orientation import angle_of, misfit, quarters_of, turned_back, upright_in

SURE = 0.5  # CenterFace's score from which on something is a face
PERHAPS = 0.25  # and from which on it is possibly one
WORTH_A_LOOK = 0.15  # CenterFace's score in its first passes
FAINT = 0.05  # the least score that tells anything about a face which is known to be there
ALONE = 0.99  # MTCNN's probability from which on its word alone is enough
HERE = 0.2  # intersection over union from which on a closer look is at the same place
PLAIN = 0.6  # CenterFace's score of an upright face on which no closer look is spent, where MTCNN agrees
AGREE = 0.25  # of the eyes' distance: two detectors' landmarks so far apart say the same
UPRIGHT = math.radians(45)
MTCNN_SIDE = 1536  # pixels, of which MTCNN sees faces from 28 on: CenterFace sees smaller ones better, and sooner
TILE = 1792  # pixels a side: what is searched in one piece, so that memory does not grow with the photo
TILES_SHARE = 256  # pixels: a face on the seam of two tiles is whole in one of them
LARGEST = 800  # pixels: larger faces are seen in a picture reduced by REDUCED
REDUCED = 4
TURNED = 2 / 3  # of a photo larger than a tile: turned by quarters faces from 24 pixels on are enough
AROUND = 1.0  # of a known face's size: so much is searched on every side of it, so that it is seen as in the whole
CROP = 96  # pixels: a place looked at closely, the face half as wide
SAME_FACE = 0.4  # intersection over union from which on two boxes are taken for one face's
PART, PART_SIZE = 0.8, 0.25  # of the smaller box inside the larger one, and the least share of its area, for one face


@dataclass(frozen=True)
class Detected:
    """faces, left to right, and possible ones, the likeliest first; possible: with CenterFace's score."""

    faces: tuple[Face, ...] = ()
    possible: tuple[Face, ...] = ()


def detect(
    pixels: np.ndarray, *, device: str = "cpu", sure: float = SURE, near: Sequence[Face] | None = None
) -> Detected:
    """Who is in a photo, uint8 (H, W, 3) RGB or (H, W) gray.

    sure: CenterFace's score, in [0, 1], from which on something is a face and not only a possible one.
    near: faces around which alone a large photo is searched; None: everywhere.
    """
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    if not rgb.size:
        return Detected()
    upright = _by_mtcnn(rgb, device)
    certain: list[Face] = []
    possible: list[Face] = []
    for known, seen in _places(upright, _by_centerface(rgb, near)):
        if known is not None and seen is not None and seen.probability >= PLAIN and _is_plain(known, seen):
            certain.append(known)
        elif (place := seen or known) is not None:
            face, score = _aligned_best(rgb, known, seen, _closely(rgb, place))
            if face is not None:
                if score >= sure or (face is known and known.probability >= ALONE):
                    certain.append(face)
                else:
                    possible.append(replace(face, probability=score))
    certain = _distinct(certain)
    possible = [face for face in _distinct(possible) if same_face(face, certain) is None]
    is_reduced = max(rgb.shape[:2]) > MTCNN_SIDE
    coarse = [face for face in certain if is_reduced or not _is_one_of(face, upright)]
    certain = [face for face in certain if not _is_one_of(face, coarse)] + refined(rgb, coarse, device=device)
    return Detected(tuple(left_to_right(certain)), tuple(refined(rgb, possible, device=device)))


def _is_one_of(face: Face, faces: Sequence[Face]) -> bool:
    return any(face is other for other in faces)


def _aligned_best(
    rgb: np.ndarray, known: Face | None, seen: Face | None, closely: Face | None
) -> tuple[Face | None, float]:
    """Of MTCNN's face, CenterFace's first look at it and the closer one: the one to align by, and CenterFace's score.

    MTCNN places the landmarks of an upright face best, but reads a turned one as upright, and guesses where those of a
    face are that the photo's edge cuts off.
    """
    looks = [face for face in (seen, closely) if face is not None]
    score = max((face.probability for face in looks), default=0.0)
    best = max(looks, key=lambda face: face.probability - misfit(face.landmarks), default=None)
    is_whole = known is not None and bool(((known.landmarks >= 0) & (known.landmarks < rgb.shape[1::-1])).all())
    if known is not None and (best is None or (is_whole and abs(angle_of(best.landmarks)) <= UPRIGHT)):
        return known, score
    return (best, score) if score >= PERHAPS else (known, score)


def _by_mtcnn(rgb: np.ndarray, device: str) -> list[Face]:
    reduced = reduced_to(rgb, MTCNN_SIDE)
    x, y = rgb.shape[1] / reduced.shape[1], rgb.shape[0] / reduced.shape[0]
    return [inside(scaled(face, x, y), rgb) for face in mtcnn(reduced[None], device=device, smallest=LARGER)[0]]


def _by_centerface(rgb: np.ndarray, near: Sequence[Face] | None) -> list[Face]:
    """Where CenterFace sees anything: in the photo piece by piece and in four turns, and reduced for large faces."""
    side, found = max(rgb.shape[:2]), []
    searches = [(side, 0), *((max(TILE, round(side * TURNED)), turn) for turn in (1, 2, 3))]
    while side > LARGEST:
        side //= REDUCED
        searches += [(side, turn) for turn in range(4)]
    for side, turn in searches:
        picture = reduced_to(rgb, side)
        x, y = rgb.shape[1] / picture.shape[1], rgb.shape[0] / picture.shape[0]
        for left, top, piece in _pieces(picture, near and [scaled(face, 1 / x, 1 / y) for face in near]):
            turned = np.ascontiguousarray(np.rot90(piece, turn))
            for face in centerface(turned[None], threshold=WORTH_A_LOOK)[0]:
                back = moved(turned_back(face, turn, *piece.shape[:2]), left, top)
                found.append(inside(scaled(back, x, y), rgb))
    return _distinct(found)


def _is_plain(known: Face, seen: Face) -> bool:
    """Whether both detectors place the landmarks of an upright face alike."""
    eyes = float(np.linalg.norm(known.landmarks[1] - known.landmarks[0]))
    apart = float(np.abs(known.landmarks - seen.landmarks).mean())
    return apart <= AGREE * eyes and abs(angle_of(seen.landmarks)) <= UPRIGHT


def face_in(
    pixels: np.ndarray, box: tuple[float, float, float, float], turn: int | None = None, *, device: str = "cpu"
) -> Face:
    """The face of which somebody says that it is in a box of a photo, uint8 (H, W, 3) RGB or (H, W) gray.

    turn: quarters by which `numpy.rot90` turns the photo to make the face upright; None: not told.
    People draw loosely: of what a search sees in the box the largest is taken. Where CenterFace sees nothing at all the
    box is the face's, and its landmarks are a guess, of probability 0, upright if not told otherwise.
    """
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    guess = Face(box, upright_in(box, turn or 0), 0.0)
    part, left, top = part_around(rgb, guess, AROUND)
    seen = detect(part, device=device)
    within = [
        found
        for face in (*seen.faces, *seen.possible)
        if _has_center(box, (found := moved(face, left, top)).box)
        and (turn is None or quarters_of(found.landmarks) == turn)
    ]
    if within:
        return max(within, key=lambda face: face.area)
    closely = _closely(rgb, guess, threshold=FAINT, turns=range(4) if turn is None else (turn,))
    return guess if closely is None else refined(rgb, [closely], device=device)[0]


def _has_center(box: Sequence[float], of: Sequence[float]) -> bool:
    x, y = (of[0] + of[2]) / 2, (of[1] + of[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def part_around(rgb: np.ndarray, face: Face, margin: float) -> tuple[np.ndarray, int, int]:
    """The part of a picture around a face, `margin` of its size on every side, and its left and upper edge there.

    CenterFace looks at blocks of pixels: the part begins where one does, so that it sees the same as in the whole.
    """
    x0, y0, x1, y1 = face.box
    room = margin * max(x1 - x0, y1 - y0)
    left, top = (max(0, int(edge - room) // MULTIPLE * MULTIPLE) for edge in (x0, y0))
    return rgb[top : max(top, round(y1 + room)) + 1, left : max(left, round(x1 + room)) + 1], left, top


def _closely(
    rgb: np.ndarray, place: Face, *, threshold: float = WORTH_A_LOOK, turns: Sequence[int] = range(4)
) -> Face | None:
    """The face at a place, as CenterFace sees it best in these quarter turns of its crop; None where it sees none."""
    x0, y0, x1, y1 = place.box
    crop, left, top, scale = _crop(rgb, ((x0 + x1) / 2, (y0 + y1) / 2), 2 * max(x1 - x0, y1 - y0), CROP)
    turned = np.stack([np.rot90(crop, turn) for turn in turns])
    looks = [
        inside(moved(scaled(turned_back(face, turn, CROP, CROP), 1 / scale, 1 / scale), left, top), rgb)
        for turn, faces in zip(turns, centerface(turned, threshold=threshold), strict=True)
        for face in faces
    ]
    looks = [face for face in looks if overlap(face.box, place.box) >= HERE]
    return max(looks, key=lambda face: face.probability - misfit(face.landmarks), default=None)


def _crop(rgb: np.ndarray, center: tuple[float, float], side: float, size: int) -> tuple[np.ndarray, int, int, float]:
    """A square of a photo, black beyond its edge, resized to `size`: the pixels, its corner, and its scale."""
    whole = max(2, round(side))
    left, top = round(center[0] - whole / 2), round(center[1] - whole / 2)
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + whole), min(height, top + whole)
    square = np.zeros((whole, whole, 3), np.uint8)
    if x1 > x0 and y1 > y0:
        square[y0 - top : y1 - top, x0 - left : x1 - left] = rgb[y0:y1, x0:x1]
    method = cv2.INTER_AREA if whole > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (size, size), interpolation=method)), left, top, size / whole


def reduced_to(rgb: np.ndarray, side: int) -> np.ndarray:
    """A picture at most `side` pixels wide and high."""
    scale = side / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def _pieces(rgb: np.ndarray, near: Sequence[Face] | None) -> Iterator[tuple[int, int, np.ndarray]]:
    """Of a picture: the left and upper edge of each piece, and its pixels. A small one is a single piece.

    near: faces whose surroundings are enough of a large picture; None: the pieces cover it.
    """
    height, width = rgb.shape[:2]
    if near is None or max(height, width) <= TILE:
        for top in _starts(height):
            for left in _starts(width):
                yield left, top, rgb[top : top + TILE, left : left + TILE]
        return
    for face in near:
        piece, left, top = part_around(rgb, face, AROUND)
        yield left, top, piece


def _starts(length: int) -> range:
    return range(0, max(1, length - TILES_SHARE), TILE - TILES_SHARE) if length > TILE else range(1)


def _places(upright: Sequence[Face], seen: Sequence[Face]) -> list[tuple[Face | None, Face | None]]:
    """MTCNN's face and CenterFace's at each place where either sees something."""
    left = list(seen)
    places: list[tuple[Face | None, Face | None]] = []
    for face in upright:
        other = same_face(face, left)
        left = [candidate for candidate in left if candidate is not other]
        places.append((face, other))
    return [*places, *((None, face) for face in left)]


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """One of those at one place, the most certain."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.probability):
        if same_face(face, kept) is None and not any(_is_part_of(face, other) for other in kept):
            kept.append(face)
    return kept


def _is_part_of(face: Face, other: Face) -> bool:
    """Whether one of the two is seen in the other, as half of a face is in the whole: a much smaller one is another."""
    smaller, larger = sorted((face.area, other.area))
    shared = overlap(face.box, other.box) * (smaller + larger) / (1 + overlap(face.box, other.box))
    return shared >= PART * smaller and smaller >= PART_SIZE * larger


def detect_faces(pixels: np.ndarray, *, device: str = "cpu") -> list[Face]:
    """The faces of a photo, without possible ones, left to right. pixels: uint8 (H, W, 3) RGB or (H, W) gray."""
    return list(detect(pixels, device=device).faces)


def detect_again(pixels: np.ndarray, faces: Sequence[Face], *, device: str = "cpu") -> list[Face | None]:
    """Each of the faces where a fresh search finds it in another version of their photo; None where it does not."""
    found = detect(pixels, device=device, near=faces).faces
    return [same_face(face, found) for face in faces]


def same_face(face: Face, candidates: Sequence[Face]) -> Face | None:
    """The candidate that overlaps most, if that is enough to be this face."""
    best = max(candidates, key=lambda other: overlap(face.box, other.box), default=None)
    return best if best is not None and overlap(face.box, best.box) >= SAME_FACE else None
