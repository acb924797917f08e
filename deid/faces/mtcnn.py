"""Face detection with MTCNN (Zhang, Zhang, Li, Qiao, 2016; the weights that ship inside facenet-pytorch)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from deid.faces.align import align_face, inverse, transform_to
from deid.faces.face import Face, left_to_right
from deid.faces.templates import ONET_TEMPLATE

if TYPE_CHECKING:
    from facenet_pytorch import MTCNN

FACTOR = 0.709  # from one size of its pyramid to the next
SMALLEST = 20  # pixels: its usual smallest face
LARGER = SMALLEST / FACTOR  # without its pyramid's largest size, which most of the time goes into
MIN_PROBABILITY = 0.9
BATCH = 64  # faces refined at a time


@cache
def _network(device: str, smallest: float) -> "MTCNN":
    from facenet_pytorch import MTCNN  # brings torchvision, seconds for who mistyped a photo's name

    network = MTCNN(keep_all=True, min_face_size=smallest, factor=FACTOR, device=torch.device(device)).eval()
    # A CPU pools such maps several times faster.
    return network.to(memory_format=torch.channels_last)


def mtcnn(pictures: np.ndarray, *, device: str = "cpu", smallest: float = SMALLEST) -> list[list[Face]]:
    """The faces of each of several pictures of one size, uint8 (N, H, W, 3) RGB, left to right.

    smallest: pixels of the smallest face that is looked for.
    """
    if min(pictures.shape[1:3]) < smallest:  # it crashes on these
        return [[] for _ in pictures]
    try:
        found = _network(device, smallest).detect(pictures, landmarks=True)
    except (RuntimeError, ValueError) as error:
        # With no candidate at all in its first stage, MTCNN concatenates an empty list; anything else is a defect.
        if "expected a non-empty list" not in str(error):
            raise
        return [[] for _ in pictures]
    return [[] if of_picture[0] is None else _faces(*of_picture) for of_picture in zip(*found, strict=True)]


def _faces(boxes: np.ndarray, probabilities: np.ndarray, landmarks: np.ndarray) -> list[Face]:
    return left_to_right(
        Face(
            (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            np.asarray(points, np.float64),
            float(probability),
        )
        for box, probability, points in zip(boxes, probabilities, landmarks, strict=True)
        if probability >= MIN_PROBABILITY
    )


def refined(rgb: np.ndarray, faces: Sequence[Face], *, device: str = "cpu") -> list[Face]:
    """Faces of a picture, uint8 (H, W, 3) RGB, with the landmarks that MTCNN's last network places, the face turned
    upright for it and in as much detail as it takes; those in which it sees no face stay as they are.
    """
    crops = [align_face(rgb, face.landmarks, ONET_TEMPLATE) for face in faces]
    better: list[Face] = []
    for start in range(0, len(faces), BATCH):
        batch = torch.stack(crops[start : start + BATCH]).to(device)
        with torch.no_grad():
            _, points, scores = _network(device, SMALLEST).onet((batch * 255 - 127.5) / 128)
        for face, of_face, score in zip(
            faces[start:], points.cpu().double().numpy(), scores[:, 1].tolist(), strict=False
        ):
            if score < MIN_PROBABILITY:
                better.append(face)
                continue
            placed = np.stack([of_face[:5], of_face[5:]], 1) * ONET_TEMPLATE.size - 0.5
            back = inverse(transform_to(ONET_TEMPLATE, face.landmarks))
            better.append(replace(face, landmarks=placed @ back[:, :2].T + back[:, 2]))
    return better
