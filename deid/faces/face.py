"""A detected face, and what two of them have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Face:
    """A detected face, in pixels of the upright photo; a pixel's center has integer coordinates.

    box: (x0, y0, x1, y1). landmarks: (5, 2) float64: left eye, right eye, nose, left and right mouth corner, left
    and right as the viewer sees them. probability: the detector's, in [0, 1].
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    probability: float

    @property
    def area(self) -> float:
        """Of the box, in square pixels."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1), in [0, 1]."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def scaled(face: Face, x: float, y: float) -> Face:
    """The face in pixels of a picture `x` times as wide and `y` times as high (pixel centers stay centers)."""
    if x == y == 1:
        return face
    box = (face.box[0] * x, face.box[1] * y, face.box[2] * x, face.box[3] * y)
    return Face(box, (face.landmarks + 0.5) * (x, y) - 0.5, face.probability)


def moved(face: Face, x: float, y: float) -> Face:
    """The face as many pixels farther right and down."""
    x0, y0, x1, y1 = face.box
    return replace(face, box=(x0 + x, y0 + y, x1 + x, y1 + y), landmarks=face.landmarks + np.array([x, y]))


def inside(face: Face, rgb: np.ndarray) -> Face:
    """The face with what of its box lies in the photo: detectors guess differently how far it goes on beyond."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = face.box
    box = (min(max(x0, 0.0), width), min(max(y0, 0.0), height), min(max(x1, 0.0), width), min(max(y1, 0.0), height))
    return replace(face, box=box)


def left_to_right(faces: Iterable[Face]) -> list[Face]:
    """By the middle of the box; of two at one place the upper one first."""
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1]))
