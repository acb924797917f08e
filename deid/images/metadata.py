"""What a photo file says about its pixels (orientation, EXIF, color, depth), and the pixels by it.

Broken metadata counts as absent: it must not stop a photo whose pixels are fine.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile

_KEPT_IN_IFD0 = frozenset(
    {
        ExifTags.Base.ImageDescription,
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.XResolution,
        ExifTags.Base.YResolution,
        ExifTags.Base.ResolutionUnit,
        ExifTags.Base.Software,
        ExifTags.Base.DateTime,
        ExifTags.Base.Artist,
        ExifTags.Base.Copyright,
        ExifTags.Base.Rating,
        ExifTags.Base.XPTitle,
        ExifTags.Base.XPComment,
        ExifTags.Base.XPAuthor,
        ExifTags.Base.XPKeywords,
        ExifTags.Base.XPSubject,
    }
)
_DROPPED_FROM_EXIF_IFD = frozenset(
    {
        ExifTags.Base.MakerNote,  # many makers put a preview of the original picture in it
        ExifTags.IFD.Interop,  # an offset into the file that is not written again
        ExifTags.Base.ExifImageWidth,  # wrong after a quarter turn, and the file's own header says it
        ExifTags.Base.ExifImageHeight,
    }
)
# A remark or a user comment fits; a preview hidden in a binary tag does not.
_LONGEST_VALUE = 2_000
# What one JPEG segment holds, less a margin for its header.
_LONGEST_EXIF = 65_000

_GRAY_MODES = frozenset({"1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N"})
# Pixels converted at a time: a big photo never exists twice in memory at full size.
_BAND_PIXELS = 4_000_000
_MODE_OF_SPACE = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}


def orientation_of(picture: Image.Image) -> int:
    """EXIF orientation of a loaded picture, 1 to 8; 1 (upright) where there is none or it makes no sense."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Pillow's EXIF parser raises many kinds of errors on broken blocks
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


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


def clean_exif(picture: Image.Image) -> bytes | None:
    """EXIF of a loaded picture, fit to be written again with other pixels; None if nothing is left.

    Kept: camera, dates, author, exposure and the like, and the position (GPS). Left out: orientation (it has
    been applied), the embedded thumbnail and the maker's notes (both can show the original face), and
    anything too long to be a remark. What is not known to be harmless is not copied.
    """
    try:
        source = picture.getexif()
        kept = Image.Exif()
        for tag, value in source.items():
            if tag in _KEPT_IN_IFD0 and _is_short(value):
                kept[tag] = value
        harmless = {int(tag) for tag in ExifTags.Base} - _DROPPED_FROM_EXIF_IFD
        camera = source.get_ifd(ExifTags.IFD.Exif)
        position = source.get_ifd(ExifTags.IFD.GPSInfo)
        for ifd, values in (
            (ExifTags.IFD.Exif, {tag: value for tag, value in camera.items() if tag in harmless}),
            (ExifTags.IFD.GPSInfo, position),
        ):
            short = {tag: value for tag, value in values.items() if _is_short(value)}
            if short:
                kept[ifd] = short
        data = kept.tobytes() if len(kept) else None
    except Exception:  # as above: a broken block counts as none
        return None
    return data if data is not None and len(data) <= _LONGEST_EXIF else None


def _is_short(value: Any) -> bool:
    if isinstance(value, dict):
        return False
    return not hasattr(value, "__len__") or len(value) <= _LONGEST_VALUE


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


def stored_layout(picture: ImageFile.ImageFile) -> str:
    """Pillow's name for the samples in the file ("RGB;16B": 16 bits) before loading; "" if plain 8-bit."""
    if not picture.tile:
        bits = picture.info.get("bit_depth", 8)  # HEIF has no tiles and says it here
        return "" if bits == 8 else f";{bits}"
    args: Any = picture.tile[0].args
    name = args[0] if isinstance(args, tuple) and args else args
    return name if isinstance(name, str) else ""


def samples_of(picture: ImageFile.ImageFile, stored: str) -> tuple[np.ndarray, np.ndarray | None, bytes | None, bool]:
    """Pixels of a loaded picture in 8 bits, as they lie in the file (not yet upright).

    `stored` is what `stored_layout` said before loading. Returns pixels, uint8 (H, W, 3) or, for gray, (H,
    W); alpha, uint8 (H, W), or None; the ICC profile that describes the pixels, None where they are sRGB or
    nothing is known; and whether the pixels are the file's own 8-bit samples, unchanged.
    """
    digits = re.search(r";(\d+)", stored)
    depth = int(digits.group(1)) if digits else 8
    gray = picture.mode in _GRAY_MODES or stored.startswith("LA;")
    exact = picture.mode in ("L", "LA", "RGB", "RGBA") and depth == 8 and "a" not in stored
    profile = picture.info.get("icc_profile")
    other_space = picture.mode in ("CMYK", "LAB")
    to_srgb = None
    if depth > 8 or other_space:
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
    stale = to_srgb is not None or other_space or profile_space(profile) not in describing
    return pixels, alpha, None if stale else profile, exact
