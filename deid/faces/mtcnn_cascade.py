"""MTCNN's cascade: squares of a picture, of many sizes, asked of three networks, each of which leaves fewer of them.

(Zhang, Zhang, Li, Qiao, IEEE Signal Processing Letters 23, 2016.) It computes what facenet-pytorch does, with its
conventions: boxes in float32, whole pixels rounded toward 0 and counted from 1, pictures reduced to means over areas.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from deid.faces.area_means import AreaMeans
from deid.faces.mtcnn_networks import Networks, OutputNetwork, ProposalNetwork, RefinementNetwork

WINDOW, STRIDE = 12, 2  # pixels of what the first network sees at once, and from one such square to the next
REFINED_SIDE, SEEN_SIDE = 24, 48  # pixels of the squares that the other two see
PROPOSED, REFINED, SEEN = 0.6, 0.7, 0.7  # probabilities from which on each of the three lets a square pass
AT_ONE_SCALE, AT_ALL = 0.5, 0.7  # intersection over union above which the weaker of two boxes is dropped
PART = 0.7  # of the smaller of two faces: with more of it inside the other the weaker is dropped
BATCH = 512  # squares that a network sees at a time


@dataclass(frozen=True, eq=False)
class Boxes:
    """edges: (n, 4) float32, left, top, right, bottom; scores: (n,) float32; pictures: (n,), in which each is."""

    edges: np.ndarray
    scores: np.ndarray
    pictures: np.ndarray

    def __len__(self) -> int:
        return len(self.edges)

    def at(self, rows: np.ndarray) -> "Boxes":
        return Boxes(self.edges[rows], self.scores[rows], self.pictures[rows])

    def with_edges(self, edges: np.ndarray) -> "Boxes":
        return Boxes(edges, self.scores, self.pictures)


@torch.inference_mode()
def faces_in(
    networks: Networks, pictures: np.ndarray, *, smallest: float, factor: float, device: torch.device
) -> tuple[Boxes, np.ndarray]:
    """The faces of several pictures of one size, uint8 (N, H, W, 3) RGB, and their landmarks (n, 5, 2), float32.

    smallest: pixels of the smallest face; factor: in (0, 1), from one size that is looked for to the next.
    """
    means = AreaMeans(pictures, device)
    boxes = _proposed(networks.proposal, means, smallest, factor)
    if len(boxes):
        boxes = _refined(networks.refinement, means, boxes)
    return _seen(networks.output, means, boxes) if len(boxes) else (boxes, np.zeros((0, 5, 2), np.float32))


def _proposed(network: ProposalNetwork, means: AreaMeans, smallest: float, factor: float) -> Boxes:
    """The squares that the first network lets pass."""
    found: list[tuple[Boxes, np.ndarray]] = []
    scale = WINDOW / smallest
    shorter = min(means.height, means.width) * scale
    while shorter >= WINDOW:
        probabilities, moves = network(means.reduced(int(means.height * scale + 1), int(means.width * scale + 1)))
        scores = probabilities.cpu().numpy()
        pictures, rows, columns = np.nonzero(scores >= PROPOSED)
        if len(pictures):
            corners = STRIDE * np.stack([columns, rows], 1).astype(np.float32)
            edges = np.floor(np.concatenate([corners + 1, corners + WINDOW], 1) / scale)
            boxes = Boxes(edges, scores[pictures, rows, columns], pictures)
            kept = _strongest(boxes, AT_ONE_SCALE)
            found.append((boxes.at(kept), moves.cpu().numpy()[pictures, :, rows, columns][kept]))
        scale *= factor
        shorter *= factor
    if not found:
        return Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    boxes = Boxes(
        np.concatenate([boxes.edges for boxes, _ in found]),
        np.concatenate([boxes.scores for boxes, _ in found]),
        np.concatenate([boxes.pictures for boxes, _ in found]),
    )
    kept = _strongest(boxes, AT_ALL)
    boxes, moves = boxes.at(kept), np.concatenate([moves for _, moves in found])[kept]
    sides = boxes.edges[:, 2:] - boxes.edges[:, :2]
    return boxes.with_edges(_squares(boxes.edges + moves * np.tile(sides, 2)))


def _refined(network: RefinementNetwork, means: AreaMeans, boxes: Boxes) -> Boxes:
    """The squares that the second network lets pass."""
    boxes, (scores, moves) = _asked(network, means, boxes, REFINED_SIDE)
    passed = scores > REFINED
    boxes, moves = Boxes(boxes.edges[passed], scores[passed], boxes.pictures[passed]), moves[passed]
    kept = _strongest(boxes, AT_ALL)
    boxes, moves = boxes.at(kept), moves[kept]
    return boxes.with_edges(_squares(_moved(boxes.edges, moves)))


def _seen(network: OutputNetwork, means: AreaMeans, boxes: Boxes) -> tuple[Boxes, np.ndarray]:
    """The faces that the last network sees, and their landmarks."""
    boxes, (scores, moves, points) = _asked(network, means, boxes, SEEN_SIDE)
    passed = scores > SEEN
    boxes, moves = Boxes(boxes.edges[passed], scores[passed], boxes.pictures[passed]), moves[passed]
    corners = boxes.edges[:, None, :2]
    landmarks = _sides(boxes.edges)[:, None] * np.stack([points[passed, :5], points[passed, 5:]], 2) + corners - 1
    boxes = boxes.with_edges(_moved(boxes.edges, moves))
    kept = _not_parts(boxes)
    return boxes.at(kept), landmarks[kept]


def _asked(
    network: Callable[[Tensor], tuple[Tensor, ...]], means: AreaMeans, boxes: Boxes, side: int
) -> tuple[Boxes, list[np.ndarray]]:
    """The boxes of which something lies in the picture, and what a network says of each, cut to a square of `side`."""
    whole = np.trunc(boxes.edges).astype(np.int64)
    whole[:, :2] = np.maximum(whole[:, :2], 1) - 1
    whole[:, 2:] = np.minimum(whole[:, 2:], (means.width, means.height))
    within = (whole[:, 2:] > whole[:, :2]).all(1)
    boxes, whole = boxes.at(within), whole[within]
    answers = [
        network(means.cut(boxes.pictures[start : start + BATCH], whole[start : start + BATCH], side))
        for start in range(0, max(1, len(boxes)), BATCH)
    ]
    return boxes, [torch.cat(parts).cpu().numpy() for parts in zip(*answers, strict=True)]


def _sides(edges: np.ndarray) -> np.ndarray:
    """Width and height (n, 2), both edges' pixels counted."""
    return edges[:, 2:] - edges[:, :2] + 1


def _moved(edges: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Edges moved by shares (n, 4) of the box's sides."""
    return edges + moves * np.tile(_sides(edges), 2)


def _squares(edges: np.ndarray) -> np.ndarray:
    """About each box's center the square of its longer side."""
    sides = edges[:, 2:] - edges[:, :2]
    longer = sides.max(1, keepdims=True)
    corners = edges[:, :2] + sides * 0.5 - longer * 0.5
    return np.concatenate([corners, corners + longer], 1)


def _strongest(boxes: Boxes, threshold: float) -> np.ndarray:
    """Indices of those of which no stronger one in the same picture covers much: intersection over union."""
    x0, y0, x1, y1 = boxes.edges.T
    places = np.stack([x0, y0, x1 - x0, y1 - y0], 1).tolist()
    kept = cv2.dnn.NMSBoxesBatched(places, boxes.scores.tolist(), boxes.pictures.tolist(), 0.0, threshold)
    return np.array(kept, np.int64).ravel()


def _not_parts(boxes: Boxes) -> np.ndarray:
    """Indices of those that are not for the most part inside a stronger one in the same picture, nor it inside them."""
    areas = _sides(boxes.edges).prod(1)
    kept: list[int] = []
    left = np.argsort(boxes.scores)
    while len(left):
        best, left = left[-1], left[:-1]
        kept.append(int(best))
        corner = np.maximum(boxes.edges[best, :2], boxes.edges[left, :2])
        far = np.minimum(boxes.edges[best, 2:], boxes.edges[left, 2:])
        shared = np.maximum(0, far - corner + 1).prod(1)
        is_part = shared / np.minimum(areas[best], areas[left]) > PART
        left = left[~is_part | (boxes.pictures[left] != boxes.pictures[best])]
    return np.array(kept, np.int64)
