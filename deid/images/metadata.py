"""What a photo file says about its pixels (color, depth), and the pixels by it.

Broken metadata counts as absent: it must not stop a photo whose pixels are fine.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFile

from deid.images.boxes import depth_in
from deid.images.described import Colors, profile_of
from deid.images.hdr import tone_mapping
from deid.images.icc import rebuilt_profile

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"})
# Pixels converted at a time: a big photo never exists twice in memory at full size.
_BAND_PIXELS = 4_000_000
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn or mirror an (H, W) or (H, W, C) array as an EXIF orientation asks; contiguous.

    `orientation` is 1 to 8; 5 to 8 swap height and width.
    """
    if orientation in (3, 4, 6, 7):
        array = array[::-1]
    if orientation in (2, 3, 7, 8):
        array = array[:, ::-1]
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    return np.ascontiguousarray(array)


def profile_space(profile: bytes | None) -> str | None:
    """Color space an ICC profile describes ("RGB", "GRAY", "CMYK", "Lab", ...); None if it cannot be used."""
    if not profile:
        return None
    try:
        return str(ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space).strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def conversion_to_srgb(mode: str, profile: bytes | None) -> Callable[[Image.Image], Image.Image] | None:
    """How to bring pictures of Pillow mode `mode` (L, RGB, CMYK or LAB) to 8-bit sRGB, in mode RGB.

    Goes by the picture's own profile where that fits the mode; LAB needs none. None where nothing is known
    about the color: Pillow's plain formula has to do then. Build it once for a photo, use it on bands of
    rows.
    """
    space = profile_space(profile)
    source_mode = _MODE_OF_SPACE.get(space or "")
    fits = source_mode == mode or (source_mode == "RGB" and mode == "L")
    try:
        if fits and profile and source_mode:
            source: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        elif mode == "LAB":
            source, source_mode = ImageCms.createProfile("LAB"), "LAB"
        else:
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), source_mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None

    def convert(picture: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(picture.convert(source_mode), transform)
        if converted is None:  # only with inPlace=True, which is not used here
            raise ValueError("the color conversion gave no picture")
        return converted

    return convert


def in_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """Pixels, uint8 (H, W, 3) or (H, W), of an ICC profile that `rebuilt_profile` made, in sRGB; same shape."""
    gray = pixels.ndim == 2
    convert = conversion_to_srgb("L" if gray else "RGB", profile)
    if convert is None:
        return pixels
    converted = convert(Image.fromarray(pixels))
    return np.asarray(converted.getchannel("G") if gray else converted)


def stored_layout(picture: ImageFile.ImageFile, head: bytes) -> str:
    """Pillow's name for the samples in the file ("RGB;16B": 16 bits) before loading; "" if plain 8-bit.

    head: the file's first bytes, where the name is not Pillow's.
    """
    if picture.format in ("HEIF", "AVIF", "JPEG2000"):
        bits = max(depth_in(head), picture.info.get("bit_depth", 8))
        return "" if bits == 8 else f";{bits}"
    if not picture.tile:
        return ""
    args: Any = picture.tile[0].args
    name = args[0] if isinstance(args, tuple) and args else args
    return name if isinstance(name, str) else ""


def depth_of(stored: str) -> int:
    """Bits a sample, as `stored_layout` said."""
    digits = re.search(r";(\d+)", stored)
    return int(digits.group(1)) if digits else 8


def samples_of(
    picture: ImageFile.ImageFile, stored: str, colors: Colors | bytes | None = None
) -> tuple[np.ndarray, np.ndarray | None, bytes | None, bool]:
    """Pixels of a loaded picture in 8 bits, as they lie in the file (not yet upright).

    `stored` is what `stored_layout` said before loading, `colors` what counts for them, an ICC profile or other
    words. Returns pixels, uint8 (H, W, 3) or, for gray, (H,
    W); alpha, uint8 (H, W), or None; the ICC profile that describes the pixels, rebuilt, None where they are
    sRGB or nothing is known; and whether the pixels are the file's own 8-bit samples, unchanged. What a usable
    profile says that cannot be rebuilt is brought to sRGB.
    """
    depth = depth_of(stored)
    gray = picture.mode in _GRAY_MODES or stored.startswith("LA;")
    exact = picture.mode in ("L", "LA", "RGB", "RGBA") and depth == 8 and "a" not in stored
    given = profile_of(colors, gray=gray) if isinstance(colors, Colors) else colors
    rebuilt = rebuilt_profile(given)
    profile = rebuilt or given
    other_space = picture.mode in ("CMYK", "LAB")
    to_srgb = None
    if isinstance(colors, Colors) and colors.hdr:
        to_srgb = tone_mapping(picture, colors)
    elif depth > 8 or other_space or rebuilt is None:
        to_srgb = conversion_to_srgb(picture.mode if other_space else "L" if gray else "RGB", profile)
    # A transparent color given in 16 bits cannot be found any more in samples reduced to 8.
    transparent = picture.has_transparency_data and (depth <= 8 or picture.mode in ("LA", "La", "RGBA", "RGBa"))
    top_value = 4095 if depth == 12 else 65535
    inverted = picture.format == "TIFF" and getattr(picture, "tag_v2", {}).get(262) == 0

    width, height = picture.size
    pixels = np.empty((height, width) if gray else (height, width, 3), np.uint8)
    alpha = np.empty((height, width), np.uint8) if transparent else None
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        here = slice(top, top + rows)
        band = picture.crop((0, top, width, min(top + rows, height)))
        if band.mode == "La":
            band = band.convert("LA")
        if band.mode.startswith("I;16"):
            deep = np.asarray(band).astype(np.uint32)
            deep = top_value - deep if inverted else deep
            band = Image.fromarray(((deep * 255 + top_value // 2) // top_value).astype(np.uint8))
        if alpha is not None:
            band = band.convert("RGBA")
            alpha[here] = np.asarray(band.getchannel("A"))
        if to_srgb is not None:
            band = to_srgb(band)
            band = band.getchannel("G") if gray else band
        pixels[here] = np.asarray(band.convert("L" if gray else "RGB"))
    describing = ("GRAY", "RGB") if gray else ("RGB",)
    stale = to_srgb is not None or other_space or profile_space(rebuilt) not in describing
    return pixels, alpha, None if stale else rebuilt, exact and to_srgb is None
