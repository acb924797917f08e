"""Face detection with MTCNN (Zhang, Zhang, Li, Qiao, 2016; the weights that ship inside facenet-pytorch)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import torch

from deid.faces.align import align_face, inverse, transform_to
from deid.faces.face import Face, left_to_right
from deid.faces.mtcnn_cascade import faces_in
from deid.faces.mtcnn_networks import Networks, load_networks
from deid.faces.templates import ONET_TEMPLATE

FACTOR = 0.709  # from one size of its pyramid to the next
SMALLEST = 20  # pixels: its usual smallest face
LARGER = SMALLEST / FACTOR  # without its pyramid's largest size, which most of the time goes into
MIN_PROBABILITY = 0.9
BATCH = 64  # faces refined at a time


@cache
def _networks(device: str) -> Networks:
    return load_networks(torch.device(device))


def mtcnn(pictures: np.ndarray, *, device: str = "cpu", smallest: float = SMALLEST) -> list[list[Face]]:
    """The faces of each of several pictures of one size, uint8 (N, H, W, 3) RGB, left to right.

    smallest: pixels of the smallest face that is looked for.

    Raises CheckpointError where the package that keeps the weights is not installed.
    """
    if min(pictures.shape[1:3]) < smallest:
        return [[] for _ in pictures]
    boxes, landmarks = faces_in(
        _networks(device), pictures, smallest=smallest, factor=FACTOR, device=torch.device(device)
    )
    found: list[list[Face]] = [[] for _ in pictures]
    for edges, score, picture, points in zip(boxes.edges, boxes.scores, boxes.pictures, landmarks, strict=True):
        if score >= MIN_PROBABILITY:
            x0, y0, x1, y1 = edges.tolist()
            found[picture].append(Face((x0, y0, x1, y1), points.astype(np.float64), float(score)))
    return [left_to_right(faces) for faces in found]


def refined(rgb: np.ndarray, faces: Sequence[Face], *, device: str = "cpu") -> list[Face]:
    """Faces of a picture, uint8 (H, W, 3) RGB, with the landmarks that MTCNN's last network places, the face turned
    upright for it and in as much detail as it takes; those in which it sees no face stay as they are.
    """
    crops = [align_face(rgb, face.landmarks, ONET_TEMPLATE) for face in faces]
    better: list[Face] = []
    for start in range(0, len(faces), BATCH):
        batch = torch.stack(crops[start : start + BATCH]).to(device)
        with torch.no_grad():
            scores, _, points = _networks(device).output((batch * 255 - 127.5) / 128)
        for face, of_face, score in zip(faces[start:], points.cpu().double().numpy(), scores.tolist(), strict=False):
            if score < MIN_PROBABILITY:
                better.append(face)
                continue
            placed = np.stack([of_face[:5], of_face[5:]], 1) * ONET_TEMPLATE.size - 0.5
            back = inverse(transform_to(ONET_TEMPLATE, face.landmarks))
            better.append(replace(face, landmarks=placed @ back[:, :2].T + back[:, 2]))
    return better
