"""What happens to a photo after it is published, as an audit imitates it."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from deid.pillow_settings import applied

# A screenshot shows a photo at the size of its window, not at its own.
SCREEN = 0.8
AS_PUBLISHED = "as published"


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
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


# Each takes and gives the pixels of a photo, uint8 (H, W, 3) or (H, W), perhaps of another size.
HANDLINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    AS_PUBLISHED: lambda pixels: pixels,
    "JPEG 95": _jpeg(95),
    "JPEG 75": _jpeg(75),
    "half size and back": _half_and_back,
    "blur, sigma 1": _blurred,
    "screenshot at 80 %": _screenshot,
}
