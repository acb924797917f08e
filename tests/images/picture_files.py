"""Pictures and files of them, as the tests of photos need them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from deid.errors import UnreadableImage
from deid.images.photo import Photo, decode_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("PNG", "TIFF", "BMP")
WRITTEN = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF", "BMP")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """(H, W, 3), asymmetric, and kept by lossy encoders within a few levels."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, 60 + 0 * x], axis=-1).astype(np.uint8)


def saved(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def with_alpha(photo: Photo) -> np.ndarray:
    assert photo.alpha is not None
    return np.dstack([photo.pixels, photo.alpha])


def png_of(header: tuple[int, int, int, int], rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG put together by hand: `header` is width, height, bit depth, color type."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)), *extra, (b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


def unfiltered(samples: np.ndarray) -> bytes:
    """PNG rows of (H, ...) big-endian samples, each with filter type 0."""
    return b"".join(b"\0" + row.tobytes() for row in samples)


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode_photo(data)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert "<_io" not in message
    return message
