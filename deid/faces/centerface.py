"""Face detection with CenterFace (Xu, Yan, Yang, Chen, Li, 2019; github.com/Star-Clouds/CenterFace, MIT), by OpenCV.

A fully convolutional network: for every fourth pixel of its input whether a face is centered there, how large it is,
how far its center is from the pixel's, and where its five landmarks are. It finds faces of 15 to 500 pixels.
"""

from functools import cache

import cv2
import numpy as np

from deid.errors import CheckpointError
from deid.faces.face import Face
from deid.storage.hashes import file_sha256
from deid.weights import shipped_folder, shipped_manifest

STRIDE = 4  # input pixels a cell of the maps
MULTIPLE = 32  # the input's sides are multiples of this
OVERLAP = 0.3  # intersection over union from which on the weaker of two boxes is dropped


@cache
def _network() -> cv2.dnn.Net:
    """Raises CheckpointError for a file that is missing or is not the manifest's."""
    entry = shipped_manifest()["detectors"]["centerface"]
    path = shipped_folder() / entry["file"]
    if not path.is_file() or file_sha256(path) != entry["sha256"]:
        raise CheckpointError(f"centerface: {path} is missing or is not the file of the manifest")
    return cv2.dnn.readNetFromONNX(str(path))


def centerface(pictures: np.ndarray, *, threshold: float) -> list[list[Face]]:
    """The faces of each of several pictures of one size, uint8 (N, H, W, 3) RGB, the most certain first.

    threshold: the least score, in [0, 1].
    """
    height, width = pictures.shape[1:3]
    padded = np.pad(pictures, ((0, 0), (0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)))
    network = _network()
    network.setInput(cv2.dnn.blobFromImages(list(padded)))
    maps = network.forward(["537", "538", "539", "540"])
    return [_faces(heat, sizes, offsets, points, threshold) for heat, sizes, offsets, points in zip(*maps, strict=True)]


def _faces(
    heat: np.ndarray, log_sizes: np.ndarray, offsets: np.ndarray, points: np.ndarray, threshold: float
) -> list[Face]:
    """heat: (1, h, w); log_sizes, offsets: (2, h, w); points: (10, h, w)."""
    rows, columns = np.nonzero(heat[0] >= threshold)
    if not len(rows):
        return []
    scores = heat[0, rows, columns].astype(np.float64)
    heights, widths = np.exp(log_sizes[:, rows, columns].astype(np.float64)) * STRIDE
    down, right = offsets[:, rows, columns].astype(np.float64)
    left, top = (columns + right + 0.5) * STRIDE - widths / 2, (rows + down + 0.5) * STRIDE - heights / 2
    kept = cv2.dnn.NMSBoxes(np.stack([left, top, widths, heights], 1).tolist(), scores.tolist(), threshold, OVERLAP)
    landmarks = points[:, rows, columns].astype(np.float64).reshape(5, 2, -1)  # each as (down, right) of the box's size
    return [
        Face(
            (float(left[i]), float(top[i]), float(left[i] + widths[i]), float(top[i] + heights[i])),
            np.stack([left[i] + landmarks[:, 1, i] * widths[i], top[i] + landmarks[:, 0, i] * heights[i]], 1),
            float(scores[i]),
        )
        for i in np.ravel(kept)
    ]
