"""Every face of a picture, whichever way up it is, by two detectors.

MTCNN finds upright faces and places their landmarks best; CenterFace finds turned, cut and covered ones, in the picture
as it is and turned by 90, 180 and 270°. What both find in one place is one face: the landmarks that fit a face best are
its alignment, so that a face upside down is not taken for an upright one with its eyes on its cheeks.
"""

import math
from dataclasses import replace

import numpy as np

from deid.faces.align import least_squares_similarity
from deid.faces.centerface import centerface
from deid.faces.detect import detect_batch
from deid.faces.face import Face, overlap
from deid.faces.templates import MOBILEFACENET_TEMPLATE

SURE = 0.5  # CenterFace's score from which on something is a face
ONE_FACE = 0.4  # intersection over union from which on two boxes are one face's; a turned one's box is another
UPRIGHT = math.radians(45)
MIN_SIDE = 20  # pixels; MTCNN fails on smaller pictures
_POINTS = np.array(MOBILEFACENET_TEMPLATE.points)
_EYES = float(np.linalg.norm(_POINTS[1] - _POINTS[0]))


def search(rgb: np.ndarray, *, device: str = "cpu", sure: float = SURE) -> list[Face]:
    """All faces of a picture, uint8 (H, W, 3) RGB, left to right.

    sure: CenterFace's score, in [0, 1], from which on something is a face.
    """
    height, width = rgb.shape[:2]
    if min(height, width) < MIN_SIDE:
        return []
    candidates = [
        _turned_back(face, turn, height, width)
        for turn in range(4)
        for face in centerface(np.ascontiguousarray(np.rot90(rgb, turn)), threshold=sure)
    ]
    upright = detect_batch(rgb[None], device=device)[0]
    faces = []
    for group in _groups([*upright, *candidates]):
        first, *others = group
        # MTCNN may read a turned face as an upright one, with landmarks that fit well enough: which way up a face is,
        # is CenterFace's to say. Where it is upright MTCNN's landmarks are better, and what all weights learned from.
        best = min(others if _is_in(first, upright) and others else group, key=lambda face: misfit(face.landmarks))
        is_upright = abs(angle_of(best.landmarks)) <= UPRIGHT
        faces.append(first if _is_in(first, upright) and is_upright else replace(best, box=first.box))
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1]))


def misfit(landmarks: np.ndarray) -> float:
    """How far landmarks (5, 2) are from those of an upright face turned, scaled and moved; in distances of the eyes."""
    fitted = least_squares_similarity(landmarks, _POINTS)
    off = landmarks @ fitted[:, :2].T + fitted[:, 2] - _POINTS
    return float(np.sqrt((off**2).sum(1).mean())) / _EYES


def angle_of(landmarks: np.ndarray) -> float:
    """By how much a face with these landmarks (5, 2) is turned, in radians, 0 for upright, from −π to π."""
    fitted = least_squares_similarity(landmarks, _POINTS)
    return math.atan2(fitted[1, 0], fitted[0, 0])


def _is_in(face: Face, faces: list[Face]) -> bool:
    return any(face is other for other in faces)


def _turned_back(face: Face, turn: int, height: int, width: int) -> Face:
    """A face of the picture turned by `turn` quarters, as `numpy.rot90` turns, in the picture's own pixels (H, W)."""
    corners = np.array([[face.box[0], face.box[1]], [face.box[2], face.box[3]]])
    points = np.concatenate([corners, face.landmarks])
    x, y = points.T
    back = {0: (x, y), 1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
    points = np.stack(back[turn], 1)
    box = np.concatenate([points[:2].min(0), points[:2].max(0)])
    return replace(face, box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])), landmarks=points[2:])


def _groups(faces: list[Face]) -> list[list[Face]]:
    """Faces of one place together, the most certain first; MTCNN's come first where there are any."""
    groups: list[list[Face]] = []
    for face in faces:
        home = max(groups, key=lambda group: overlap(face.box, group[0].box), default=None)
        if home is not None and overlap(face.box, home[0].box) >= ONE_FACE:
            home.append(face)
        else:
            groups.append([face])
    return groups
