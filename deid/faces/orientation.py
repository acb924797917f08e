"""Which way up a face is, by its landmarks, and how well they fit a face at all."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deid.faces.align import align_face, inverse, least_squares_similarity, transform_to
from deid.faces.centerface import centerface
from deid.faces.face import Face
from deid.faces.paste import FEATHER
from deid.faces.templates import CENTERFACE_TEMPLATE, LIGHTCNN_TEMPLATE, MOBILEFACENET_TEMPLATE

LOOKS_UPRIGHT = 0.3  # the least of `upright_scores`: docs/measured.md says what it tells apart
ASIDE = 0.5  # of the eyes' distance: a face found farther from its place is another
FAINTEST = 0.02  # CenterFace's score below which it is noise
TILTED = 25 / 90  # of a quarter turn: so far from upright detectors may see a face in the next one, too
_POINTS = np.array(MOBILEFACENET_TEMPLATE.points)
# Eyes, nose and corners of the mouth in LightCNN's frame.
_LIGHTCNN_POINTS = np.array([[47.0, 40.0], [81.0, 40.0], [64.0, 64.0], [50.0, 88.0], [78.0, 88.0]])
_EYES = float(np.linalg.norm(_POINTS[1] - _POINTS[0]))


def misfit(landmarks: np.ndarray) -> float:
    """How far landmarks (5, 2) are from those of an upright face turned, scaled and moved; in distances of the eyes."""
    fitted = least_squares_similarity(landmarks, _POINTS)
    off = landmarks @ fitted[:, :2].T + fitted[:, 2] - _POINTS
    return float(np.sqrt((off**2).sum(1).mean())) / _EYES


def angle_of(landmarks: np.ndarray) -> float:
    """By how much a face with these landmarks (5, 2) is turned, in radians, 0 for upright, from −π to π."""
    fitted = least_squares_similarity(landmarks, _POINTS)
    return math.atan2(fitted[1, 0], fitted[0, 0])


def turned_between(a: np.ndarray, b: np.ndarray) -> float:
    """By how much one alignment (5, 2) of a face is turned against another, in radians, from 0 to π."""
    apart = abs(angle_of(a) - angle_of(b))
    return min(apart, 2 * math.pi - apart)


def upright_scores(pixels: np.ndarray, landmarks: Sequence[np.ndarray]) -> list[float]:
    """How surely each face, aligned by its landmarks (5, 2), is one the right way up, as CenterFace sees it, in [0, 1].

    0 where it sees no face there, or one elsewhere. pixels: uint8 (H, W, 3) RGB or (H, W) gray.
    """
    if not landmarks:
        return []
    crops = np.stack([_aligned(pixels, points) for points in landmarks])
    expected = np.array(CENTERFACE_TEMPLATE.points)
    eyes = float(np.linalg.norm(expected[1] - expected[0]))

    def score(face: Face) -> float:
        apart = float(np.linalg.norm(face.landmarks - expected, axis=1).mean())
        return face.probability if apart < ASIDE * eyes else 0.0

    return [max(map(score, faces), default=0.0) for faces in centerface(crops, threshold=FAINTEST)]


def _aligned(pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A face as CenterFace is to see it, uint8 (S, S, 3), black beyond the photo's edge, as in a search."""
    size = CENTERFACE_TEMPLATE.size
    back = inverse(transform_to(CENTERFACE_TEMPLATE, landmarks))
    rows, columns = np.mgrid[:size, :size]
    places = np.stack([columns, rows, np.ones_like(rows)], -1) @ back.T
    is_inside = ((places > -0.5) & (places < np.array(pixels.shape[1::-1]) - 0.5)).all(-1)
    face = align_face(pixels, landmarks, CENTERFACE_TEMPLATE).permute(1, 2, 0).numpy()
    return np.asarray((face * 255).round() * is_inside[:, :, None], np.uint8)


def quarters_of(landmarks: np.ndarray) -> int:
    """By how many quarters `numpy.rot90` turns a picture to make a face with these landmarks (5, 2) upright."""
    return -round(angle_of(landmarks) / (math.pi / 2)) % 4


def turns_near(landmarks: np.ndarray) -> list[int]:
    """As `quarters_of`, and behind it the next one for a face that even so is tilted by more than 25°."""
    exact = -angle_of(landmarks) / (math.pi / 2)
    nearest = round(exact)
    tilt = exact - nearest
    turns = [nearest] if abs(tilt) <= TILTED else [nearest, nearest + (1 if tilt > 0 else -1)]
    return [turn % 4 for turn in turns]


def upright_in(box: Sequence[float], turn: int = 0) -> np.ndarray:
    """Landmarks (5, 2) of a face whose mask (see `paste`) covers all of a box (x0, y0, x1, y1).

    turn: quarters by which `numpy.rot90` turns the picture to make the face upright.
    """
    x0, y0, x1, y1 = box
    scale = max(x1 - x0, y1 - y0) / (1 - 2 * FEATHER) / LIGHTCNN_TEMPLATE.size
    x, y = ((_LIGHTCNN_POINTS - LIGHTCNN_TEMPLATE.size / 2) * scale).T
    x, y = ((x, y), (-y, x), (-x, -y), (y, -x))[turn]
    return np.stack([(x0 + x1) / 2 + x, (y0 + y1) / 2 + y], 1)


def turned_back(face: Face, turn: int, height: int, width: int) -> Face:
    """A face of the picture turned by `turn` quarters, as `numpy.rot90` turns, in the picture's own pixels (H, W)."""
    corners = np.array([[face.box[0], face.box[1]], [face.box[2], face.box[3]]])
    points = np.concatenate([corners, face.landmarks])
    x, y = points.T
    back = {0: (x, y), 1: (width - 1 - y, x), 2: (width - 1 - x, height - 1 - y), 3: (y, height - 1 - x)}
    points = np.stack(back[turn], 1)
    box = np.concatenate([points[:2].min(0), points[:2].max(0)])
    return replace(face, box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])), landmarks=points[2:])
