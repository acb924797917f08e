"""Face detection with MTCNN (Zhang, Zhang, Li, Qiao, 2016; the weights that ship inside facenet-pytorch)."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from deid.faces.face import Face, overlap, scaled

if TYPE_CHECKING:
    from facenet_pytorch import MTCNN

MIN_FACE_SIZE = 20  # pixels of the searched picture
MAX_SEARCHED_SIDE = 2048  # larger photos are searched at this size: a 100-megapixel pyramid does not fit in memory
MIN_PROBABILITY = 0.9
SAME_FACE = 0.4  # intersection over union from which on two boxes are taken for one face's


@cache
def _mtcnn(device: str) -> "MTCNN":
    from facenet_pytorch import MTCNN  # brings torchvision, seconds for who mistyped a photo's name

    mtcnn = MTCNN(keep_all=True, min_face_size=MIN_FACE_SIZE, device=torch.device(device)).eval()
    # A CPU pools such maps several times faster.
    return mtcnn.to(memory_format=torch.channels_last)


def detect_faces(pixels: np.ndarray, *, device: str = "cpu") -> list[Face]:
    """All faces of a photo, numbered left to right. pixels: uint8 (H, W, 3) RGB or (H, W) gray."""
    return detect_each([pixels], device=device)[0]


def detect_each(photos: Sequence[np.ndarray], *, device: str = "cpu") -> list[list[Face]]:
    """The same for several photos; those of one size are searched together, which is faster."""
    searched = [_searched(pixels) for pixels in photos]
    found: list[list[Face]] = [[] for _ in photos]
    for shape in {rgb.shape for rgb in searched if rgb is not None}:
        rows = [row for row, rgb in enumerate(searched) if rgb is not None and rgb.shape == shape]
        batch = np.stack([rgb for rgb in searched if rgb is not None and rgb.shape == shape])
        for row, faces in zip(rows, detect_batch(batch, device=device), strict=True):
            height, width = photos[row].shape[:2]
            found[row] = [scaled(face, width / shape[1], height / shape[0]) for face in faces]
    return found


def _searched(pixels: np.ndarray) -> np.ndarray | None:
    """The RGB picture that is searched for faces; None for one in which MTCNN cannot find any."""
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    height, width = rgb.shape[:2]
    # MTCNN crashes on pictures smaller than its smallest face.
    if min(height, width) < MIN_FACE_SIZE:
        return None
    scale = min(1.0, MAX_SEARCHED_SIDE / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if min(size) < MIN_FACE_SIZE:
            return None
        rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX, reducing_gap=2))
    return rgb


def detect_batch(pictures: np.ndarray, *, device: str = "cpu") -> list[list[Face]]:
    """The faces of each of several RGB pictures of one size, uint8 (N, H, W, 3), H and W ≥ 20."""
    try:
        boxes, probabilities, landmarks = _mtcnn(device).detect(pictures, landmarks=True)
    except (RuntimeError, ValueError) as error:
        # With no candidate at all in its first stage, MTCNN concatenates an empty list; anything else is a defect.
        if "expected a non-empty list" not in str(error):
            raise
        return [[] for _ in pictures]
    return [
        _left_to_right(*found) if found[0] is not None else []
        for found in zip(boxes, probabilities, landmarks, strict=True)
    ]


def same_face(face: Face, candidates: Sequence[Face]) -> Face | None:
    """The candidate that overlaps most, if that is enough to be this face."""
    best = max(candidates, key=lambda other: overlap(face.box, other.box), default=None)
    return best if best is not None and overlap(face.box, best.box) >= SAME_FACE else None


def detect_again(pixels: np.ndarray, faces: Sequence[Face], *, device: str = "cpu") -> list[Face | None]:
    """Each of the faces where a fresh detection finds it in another version of their photo; None where it does not."""
    found = detect_faces(pixels, device=device)
    return [same_face(face, found) for face in faces]


def _left_to_right(boxes: np.ndarray, probabilities: np.ndarray, landmarks: np.ndarray) -> list[Face]:
    faces = [
        Face(
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            np.asarray(points, np.float64),
            float(probability),
        )
        for box, probability, points in zip(boxes, probabilities, landmarks, strict=True)
        if probability >= MIN_PROBABILITY
    ]
    return sorted(faces, key=lambda face: (face.box[0] + face.box[2], face.box[1]))
