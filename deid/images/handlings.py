"""What happens to a photo after it is published, as audits and checks imitate it."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from deid.images.pillow_settings import applied

# A screenshot shows a photo at the size of its window, not at its own.
SCREEN = 0.8
# A crop takes this share of the width from the right, and of the height from the bottom.
CUT = 0.03
AS_PUBLISHED = "as published"
JPEG_75 = "JPEG 75"
HALF_SIZE = "half size and back"
HALF_SIZE_JPEG_75 = "half size and back, JPEG 75"

Handling = Callable[[np.ndarray], np.ndarray]
"""Pixels of a photo, uint8 (H, W, 3) or (H, W) → what is left of them, perhaps of another size."""


def jpeg(quality: int) -> Handling:
    """What a JPEG file of this quality, 1 to 100, shows of a photo."""

    def recompressed(pixels: np.ndarray) -> np.ndarray:
        with applied(), io.BytesIO() as file:
            Image.fromarray(pixels).save(file, "JPEG", quality=quality)  # 4:2:0, as most programs save
            return np.asarray(Image.open(file))

    return recompressed


def _half_and_back(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    half = (max(1, image.width // 2), max(1, image.height // 2))
    return np.asarray(image.resize(half, Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BICUBIC))


def _blurred(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1)))


def _screenshot(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    size = (max(1, round(image.width * SCREEN)), max(1, round(image.height * SCREEN)))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))


def cropped(pixels: np.ndarray) -> np.ndarray:
    """A little is gone on the right and at the bottom, so that every face left stays at its coordinates."""
    height, width = pixels.shape[:2]
    return pixels[: max(1, round(height * (1 - CUT))), : max(1, round(width * (1 - CUT)))]


# Each keeps the whole picture, so that a face can be looked for where it was.
HANDLINGS: dict[str, Handling] = {
    AS_PUBLISHED: lambda pixels: pixels,
    "JPEG 95": jpeg(95),
    JPEG_75: jpeg(75),
    HALF_SIZE: _half_and_back,
    HALF_SIZE_JPEG_75: lambda pixels: jpeg(75)(_half_and_back(pixels)),
    "blur, sigma 1": _blurred,
    "screenshot at 80 %": _screenshot,
}
