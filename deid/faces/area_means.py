"""Pictures reduced to means over areas, as `torch.nn.functional.adaptive_avg_pool2d` does it.

The means are taken from tables of sums (Crow, SIGGRAPH 1984): a reduced picture costs its own pixels alone, however
large it is in full, and squares of any size are cut out and reduced all at once.
"""

import cv2
import numpy as np
import torch
from torch import Tensor


class AreaMeans:
    """Of several pictures of one size, uint8 (N, H, W, 3); what it gives is in [-1, 1), float32, on `device`."""

    def __init__(self, pictures: np.ndarray, device: torch.device) -> None:
        self.device = device
        self.count, self.height, self.width = pictures.shape[:3]
        depth = cv2.CV_32S if self.height * self.width * 255 < 2**31 else cv2.CV_64F  # exact in either
        tables = [cv2.integral(np.ascontiguousarray(picture), sdepth=depth) for picture in pictures]
        # (N, H + 1, W + 1, 3): the sum of all that is above and left of a pixel's corner.
        self.tables = np.stack(tables) if len(tables) > 1 else tables[0][None]

    def reduced(self, height: int, width: int) -> Tensor:
        """All the pictures, (N, 3, height, width)."""
        top, bottom = _edges(self.height, height)
        left, right = _edges(self.width, width)
        rows = self.tables.take(bottom, 1) - self.tables.take(top, 1)
        sums = rows.take(right, 2) - rows.take(left, 2)
        return self._means(sums, np.outer(bottom - top, right - left))

    def cut(self, pictures: np.ndarray, boxes: np.ndarray, side: int) -> Tensor:
        """Parts of the pictures, each reduced or enlarged to a square of `side` pixels, (n, 3, side, side).

        pictures: (n,) indices; boxes: (n, 4), whole pixels (left, top, right, bottom), not empty.
        """
        x0, y0, x1, y1 = boxes.astype(np.int64).T[:, :, None]
        top, bottom = _edges(y1 - y0, side)
        left, right = _edges(x1 - x0, side)
        flat, (rows, columns) = self.tables.reshape(-1, 3), self.tables.shape[1:3]
        first = pictures[:, None] * rows + y0

        def sums_up_to(row: np.ndarray, column: np.ndarray) -> np.ndarray:
            return flat.take(((first + row) * columns)[:, :, None] + (x0 + column)[:, None, :], 0)

        sums = sums_up_to(bottom, right) - sums_up_to(top, right) - sums_up_to(bottom, left) + sums_up_to(top, left)
        return self._means(sums, (bottom - top)[:, :, None] * (right - left)[:, None, :])

    def _means(self, sums: np.ndarray, areas: np.ndarray) -> Tensor:
        means = sums.astype(np.float32)
        means /= areas[..., None].astype(np.float32)
        means -= 127.5
        means *= 1 / 128
        return torch.from_numpy(means).to(self.device).permute(0, 3, 1, 2)


def _edges(length: int | np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each of `count` parts of a length, which may share pixels at their ends, begins and ends."""
    at = np.arange(count)
    return at * length // count, -(-(at + 1) * length // count)
