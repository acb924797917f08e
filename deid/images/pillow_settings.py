"""What Pillow may open, how large, and its global settings while it does."""

import functools
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

MAX_PIXELS = 200_000_000
"""Largest picture that is read, in pixels. Pillow's own limit is lower; cameras of 100 megapixels exist."""

# Named one by one so that no other decoder of Pillow (PostScript by an outside program, ...) is ever run.
_INPUT_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000")
_PILLOW_LOCK = threading.Lock()


@contextmanager
def applied(block: int = 0) -> Iterator[None]:
    """Pillow's global settings as this program needs them, for the time of one picture, one thread at a time.

    More pixels are allowed than Pillow does by default; half a picture is an error whatever other code has
    set; its warnings stay off the user's terminal. `block` is the least size in bytes of the buffer that
    encoders write to.
    """
    with _PILLOW_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow warns above this and refuses above twice this
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        ImageFile.MAXBLOCK = max(before[2], block)
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, ImageFile.MAXBLOCK = before


@functools.cache
def input_formats() -> tuple[str, ...]:
    """Formats that are read, with HEIF registered in Pillow where its library loads.

    HEIF comes first: both its files and AVIF's may begin with the same general name.
    """
    try:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    except ImportError:
        return _INPUT_FORMATS
    return ("HEIF", *_INPUT_FORMATS)
