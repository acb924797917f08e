"""How other programs may find and align a face: by another detector, in a picture of another size, or cut out of it."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deid.faces.centerface import centerface
from deid.faces.detect import AROUND, part_around, reduced_to, same_face
from deid.faces.face import Face, inside, moved, scaled
from deid.faces.mtcnn import FACTOR, mtcnn
from deid.faces.orientation import turned_back, turned_between, turns_near

SIDES = (4096, 2048, 1024)  # pixels: galleries and programs make pictures of these sizes
CUT_OUT = (0.15, 0.3, 0.6)  # of the face's size: margins of a face that somebody cuts out
LARGE = 200  # pixels: a larger face is looked at in a picture reduced by MTCNN's own factor, in which it finds it alike
SCORE = 0.3  # of CenterFace, from which on some program may take something for a face
READ_ALIKE = math.radians(45)
EXTREMES = 4  # looks that stand for all of them
AS_IT_IS = ""  # the name of the picture in its own size


def looks_at(
    pixels: np.ndarray,
    faces: Sequence[Face],
    *,
    sides: Sequence[int] = SIDES,
    cut_out: bool = True,
    device: str = "cpu",
) -> list[dict[str, np.ndarray]]:
    """Of each face the landmarks (5, 2) at which other programs may find it, by how they look; upright to them.

    pixels: uint8 (H, W, 3) RGB or (H, W) gray.
    faces: where they are looked for, one program after the other.
    sides: of the sizes at which the picture is searched beside its own; cut_out: whether each face is cut out, too.
    """
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    looks: list[dict[str, np.ndarray]] = [{} for _ in faces]
    for side in (max(rgb.shape[:2]), *(side for side in sides if side < max(rgb.shape[:2]))):
        picture = reduced_to(rgb, side)
        x, y = picture.shape[1] / rgb.shape[1], picture.shape[0] / rgb.shape[0]
        where = f" at {side:,} pixels" if picture is not rgb else AS_IT_IS
        for face, found in zip(faces, looks, strict=True):
            for detector, seen in _found(picture, scaled(face, x, y), AROUND, device):
                found[detector + where] = scaled(seen, 1 / x, 1 / y).landmarks
    for face, found in zip(faces, looks, strict=True) if cut_out else ():
        for margin in CUT_OUT:
            for detector, seen in _found(rgb, face, margin, device):
                found[f"{detector}, cut out with {margin:.0%} around"] = seen.landmarks
    return looks


def extremes(own: np.ndarray, looks: Mapping[str, np.ndarray], count: int = EXTREMES) -> dict[str, np.ndarray]:
    """Those of the looks whose landmarks (5, 2) lie farthest from `own` and from one another.

    Without those that read the face another way up: as they see it nobody is recognized, however far it lies.
    """
    chosen: dict[str, np.ndarray] = {}
    left = {name: landmarks for name, landmarks in looks.items() if turned_between(own, landmarks) <= READ_ALIKE}
    while left and len(chosen) < count:
        apart = {
            name: min(float(np.abs(landmarks - other).mean()) for other in (own, *chosen.values()))
            for name, landmarks in left.items()
        }
        farthest = max(apart, key=lambda name: apart[name])
        if not apart[farthest]:
            break
        chosen[farthest] = left.pop(farthest)
    return chosen


def _found(rgb: np.ndarray, face: Face, margin: float, device: str) -> Iterator[tuple[str, Face]]:
    """Where detectors find a face, by their names, in the part of a picture (H, W, 3) around it.

    A tilted face is found in two quarter turns of the picture: whoever looks may have turned it either way.
    """
    part, left, top, scale = _part_around(rgb, face, margin)
    for number, turn in enumerate(turns_near(face.landmarks)):
        turned = np.ascontiguousarray(np.rot90(part, turn))
        seen = {
            "MTCNN": mtcnn(turned[None], device=device)[0],
            "CenterFace": centerface(turned[None], threshold=SCORE)[0],
        }
        for detector, faces in seen.items():
            back = [
                inside(moved(scaled(turned_back(other, turn, *part.shape[:2]), 1 / scale, 1 / scale), left, top), rgb)
                for other in faces
            ]
            if (found := same_face(face, back)) is not None:
                yield detector + (", turned the other way" if number else ""), found


def _part_around(rgb: np.ndarray, face: Face, margin: float) -> tuple[np.ndarray, int, int, float]:
    """As `part_around`, reduced where the face is large, and how many of its pixels one of the picture's is."""
    part, left, top = part_around(rgb, face, margin)
    shrink = 1.0
    while max(face.box[2] - face.box[0], face.box[3] - face.box[1]) * shrink > LARGE:
        shrink *= FACTOR
    reduced = reduced_to(part, max(1, round(max(part.shape[:2]) * shrink)))
    return reduced, left, top, reduced.shape[1] / part.shape[1]
