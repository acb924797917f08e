"""The old way of hiding a face, to be measured beside the attacks: Gaussian blur and mosaic.

McPherson, Shokri, Shmatikov, «Defeating Image Obfuscation with Deep Learning», arXiv 1609.00408 (2016), show that
networks still recognize faces through both. Nothing here knows a recognizer: a face is changed in the photo itself,
inside the mask that a perturbation would have in LightCNN's frame, and by an amount that goes with its size.

Each function changes one face of a photo in place. pixels: uint8 (H, W, 3) or (H, W); landmarks: (5, 2); strength: in
pixels of a face whose eyes and mouth are 48 pixels apart, about the size of the faces in LFW's 250-pixel photos.

The blur is OpenCV's. The mosaic is not: `cv2.resize` lays cells of one size from a picture's corner on, and here they
start between the eyes, whose place and whose cells' size are fractions of a pixel.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from deid.faces.align import inverse, lightcnn_transform, region_around, scale_of
from deid.faces.paste import paste_over
from deid.faces.templates import LIGHTCNN_EYE_CENTER, LIGHTCNN_TEMPLATE

STRENGTHS = {"blur": 4.0, "pixelate": 10.0}  # where nobody asked for another
WIDEST_KERNEL = 16.0  # the largest σ, in pixels, of a blur at full size


def blur(pixels: np.ndarray, landmarks: np.ndarray, *, strength: float = STRENGTHS["blur"]) -> None:
    """Gaussian blur of standard deviation `strength`."""
    transform = lightcnn_transform(landmarks)
    sigma = strength / scale_of(transform)

    def blurred(part: np.ndarray, top: int, left: int) -> np.ndarray:
        return _gaussian(part, sigma)

    _replace(pixels, transform, math.ceil(4 * sigma), blurred)  # OpenCV's kernel ends at 3σ


def pixelate(pixels: np.ndarray, landmarks: np.ndarray, *, strength: float = STRENGTHS["pixelate"]) -> None:
    """Mosaic of upright square cells of side `strength`, each its pixels' mean.

    The cells start between the eyes, and their sides are whole pixels only on average, so that a face of another size
    gets the same cells.
    """
    transform = lightcnn_transform(landmarks)
    cell = strength / scale_of(transform)
    back = inverse(transform)
    x, y = back[:, :2] @ np.array(LIGHTCNN_EYE_CENTER) + back[:, 2]

    def mosaic(part: np.ndarray, top: int, left: int) -> np.ndarray:
        rows = _starts(top - y, part.shape[0], cell)
        columns = _starts(left - x, part.shape[1], cell)
        heights, widths = np.diff(rows, append=part.shape[0]), np.diff(columns, append=part.shape[1])
        sums = np.add.reduceat(np.add.reduceat(part, rows, 0, dtype=np.float64), columns, 1)
        areas = (heights[:, None] * widths).reshape(len(rows), len(columns), *[1] * (part.ndim - 2))
        means = np.rint(sums / areas).astype(np.uint8)
        return means.repeat(heights, 0).repeat(widths, 1)

    _replace(pixels, transform, math.ceil(cell), mosaic)


Obfuscation = Callable[..., None]

OBFUSCATIONS: dict[str, Obfuscation] = {"blur": blur, "pixelate": pixelate}


def _gaussian(pixels: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of uint8 pixels; past a photo's edge its last pixels go on, as nothing else is known there."""
    height, width = pixels.shape[:2]
    # A wide blur leaves nothing that a smaller picture could not hold; at full size its time grows with σ.
    step = max(1.0, sigma / WIDEST_KERNEL)
    columns, rows = max(1, round(width / step)), max(1, round(height / step))
    small = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    sigma_x, sigma_y = sigma * columns / width, sigma * rows / height
    small = cv2.GaussianBlur(small, (0, 0), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _starts(first: float, count: int, cell: float) -> np.ndarray:
    """Which of `count` pixels begin a cell, the first among them; it lies at `first`, where cells begin at 0."""
    of_cell = np.floor((first + np.arange(count)) / cell)
    return np.flatnonzero(np.diff(of_cell, prepend=-np.inf))


def _replace(
    pixels: np.ndarray, transform: np.ndarray, reach: int, change: Callable[[np.ndarray, int, int], np.ndarray]
) -> None:
    """Put what `change` makes of a face's surroundings in the face's mask.

    reach: how many pixels around the face `change` needs to see. It gets them with the photo's row and column of the
    first, and returns as many.
    """
    x0, y0, x1, y1 = region_around(pixels.shape[:2], transform, LIGHTCNN_TEMPLATE.size)
    top, left = max(0, y0 - reach), max(0, x0 - reach)
    changed = change(pixels[top : y1 + reach, left : x1 + reach], top, left)
    inner = changed[y0 - top : y1 - top, x0 - left : x1 - left]
    paste_over(pixels, inner, transform, (x0, y0, x1, y1), LIGHTCNN_TEMPLATE.size)
