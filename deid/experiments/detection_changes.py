"""What may have become of a face when a search comes to it: turned, cut off by the photo's edge, small."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

from deid.faces.face import Face, overlap

NARROW = 24  # pixels of a face's width, in the row of small faces
REACH = 0.9  # of the extent of a face's landmarks: half the side of the box that is expected around them
THERE = 0.25  # intersection over union from which on a box is at the expected place

Change = Callable[[np.ndarray, Face], tuple[np.ndarray, np.ndarray]]
"""RGB pixels (H, W, 3) and their face → changed pixels, and where the landmarks (5, 2) are there."""


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


def is_at(face: Face, landmarks: np.ndarray, size: tuple[int, int]) -> bool:
    """Is a face where these landmarks (5, 2) are, as far as they are in the photo of (H, W)?"""
    reach = REACH * float(np.linalg.norm(np.ptp(landmarks, 0)))
    edge = np.array([size[1], size[0]], float)
    box = np.concatenate([(landmarks.mean(0) - reach).clip(0, edge), (landmarks.mean(0) + reach).clip(0, edge)])
    return overlap(face.box, box.tolist()) >= THERE
