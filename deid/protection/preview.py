"""How one face would look at several strengths, within seconds: a short attack that nothing is proven of."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from deid.faces.face import Face, moved, scaled
from deid.images.photo import Photo
from deid.protection.enrollment import embedded
from deid.protection.profiles import DIAL
from deid.protection.progress import Watcher, nobody_watches
from deid.protection.protector import Protector
from deid.protection.rounds import unchecked
from deid.protection.task import task_of

STEPS = 16
AROUND = 0.35  # of the box's longer side, beside it
LONGEST_SIDE = 640  # pixels of a picture


def preview(
    photo: Photo, face: Face, protector: Protector, strengths: Sequence[float], *, watcher: Watcher = nobody_watches
) -> list[np.ndarray]:
    """The face's part of the photo, clean and then at each strength, uint8 (h, w, 3) or (h, w).

    The protection itself takes more steps, and more strength where a face does not hold: it looks alike, not the same.
    One attack at the options' strength serves all, for what is measured as a square goes with the strength.
    """
    pixels, face = _part(photo.pixels, face)
    found = embedded(pixels, [face], protector.surrogates[0])
    task = task_of(Photo(pixels), found, [2], protector, "PNG", watcher)
    noise = unchecked(replace(task, profile=replace(task.profile, steps=(STEPS,))))
    middle = protector.options.strength
    return [
        pixels,
        *(task.paste_into(pixels.copy(), noise * DIAL ** ((strength - middle) / 2), [0]) for strength in strengths),
    ]


def _part(pixels: np.ndarray, face: Face) -> tuple[np.ndarray, Face]:
    """What is around a face, at most `LONGEST_SIDE` wide and high, and the face there."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = face.box
    margin = AROUND * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - margin)), max(0, int(y0 - margin))
    part = pixels[top : min(height, int(y1 + margin) + 1), left : min(width, int(x1 + margin) + 1)]
    face, scale = moved(face, -left, -top), min(1.0, LONGEST_SIDE / max(part.shape[:2]))
    if scale < 1:
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        face = scaled(face, size[0] / part.shape[1], size[1] / part.shape[0])
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(part), face
