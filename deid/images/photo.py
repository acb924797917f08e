"""Photos in and out: a file or its bytes to 8-bit pixels, pixels to an encoded file.

What is read is upright (EXIF orientation applied), 8-bit, RGB or gray, and whole: a file cut short or damaged is
refused, never shown half gray. No metadata is written but what colors need, and the harmless part of EXIF if the caller
asks to keep it: thumbnails, XMP, IPTC, comments, PNG texts, private tags and the further pictures of an MPO file would
give away the place or the original face.
"""

from __future__ import annotations

import io
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError, features

from deid.errors import CannotWrite, ImageError, UnreadableImage, UnsupportedFormat, reason_of
from deid.images import pillow_settings
from deid.images.boxes import LONGEST_HEAD, is_avif
from deid.images.described import described_colors
from deid.images.exif import clean_exif, forget_xmp, orientation_of
from deid.images.formats import suffix_for
from deid.images.jpeg_quality import jpeg_quality
from deid.images.metadata import depth_of, in_srgb, samples_of, stored_layout, upright
from deid.images.notes import is_lossless_webp, notes_of

_READABLE = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, JPEG 2000, BMP and GIF pictures"
_HOLDS_ALPHA = frozenset({"PNG", "WEBP", "TIFF", "HEIF", "AVIF"})
_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"subsampling": 0, "optimize": True},
    "PNG": {},
    "WEBP": {"method": 4, "exact": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    # The slower presets of x265 save few bytes at this quality and take many times as long.
    "HEIF": {"chroma": 444, "enc_params": {"preset": "ultrafast"}},
    # The slower speeds of the AV1 encoder save few bytes, too.
    "AVIF": {"subsampling": "4:4:4", "speed": 8},
    "BMP": {},
}
_LOSSY = frozenset({"JPEG", "WEBP", "HEIF", "AVIF"})
_LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "AVIF": 65_536}
QUALITY = 95
"""Of a lossy file, unless the photo was of a higher one."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A still picture, upright, in 8 bits.

    `pixels`: uint8, (H, W, 3) RGB, or (H, W) if the file was gray (a palette counts as color).
    `alpha`: uint8 (H, W), 255 opaque, or None.
    `format`: the file's format as Pillow names it ("JPEG" for MPO too).
    `icc_profile`: describes `pixels`, and holds nothing else; None means sRGB.
    `exif`: for `keep_metadata` only: camera, dates and exposure.
    `exif_with_position`: the same and where it was taken.
    `exact`: the file's samples were 8-bit RGB or gray and `pixels` are those samples, so that untouched
    pixels can stay bit-identical.
    `quality`: of the JPEG file that it was, 1 to 100, as `jpeg_quality` estimates it; None for others.
    `lossless`: it was a lossless WebP.
    `notes`: what a viewer of the file may miss in `pixels`, each without a name, in a few words.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    format: str = "PNG"
    icc_profile: bytes | None = None
    exif: bytes | None = None
    exif_with_position: bytes | None = None
    exact: bool = True
    quality: int | None = None
    lossless: bool = False
    notes: tuple[str, ...] = ()

    @property
    def gray(self) -> bool:
        return self.pixels.ndim == 2

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]


def read_photo(path: Path) -> Photo:
    """Read a photo from a file; its content decides what it is, not its name. Raises UnreadableImage."""
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise UnreadableImage("this is a folder, not a picture; deid folder takes one")
        if not stat.S_ISREG(kind):  # reading a pipe or a device could wait forever
            raise UnreadableImage("this is not an ordinary file")
        with path.open("rb") as file:
            return _decode(file)
    except FileNotFoundError:
        raise UnreadableImage("there is no such file") from None
    except PermissionError:
        raise UnreadableImage("no permission to read this file") from None
    except (OSError, ValueError) as error:
        raise UnreadableImage(f"the file cannot be read: {reason_of(error)}") from error


def decode_photo(data: bytes) -> Photo:
    """The same as `read_photo` for the bytes of a file. Raises UnreadableImage."""
    return _decode(io.BytesIO(data))


def _decode(file: BinaryIO) -> Photo:
    prefix = file.read(32)
    if not prefix:
        raise UnreadableImage("the file is empty (0 bytes): copy it again from where it came from")
    try:
        with pillow_settings.applied():
            photo, orientation = _decode_as_stored(file)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        size = f"{int(pixels.group()):,} pixels" if pixels else "too many pixels"
        raise UnreadableImage(
            f"the picture is too large: {size}, and at most {pillow_settings.MAX_PIXELS:,} are read; "
            "make it smaller first"
        ) from error
    except MemoryError as error:
        raise UnreadableImage("not enough memory to read this picture; make it smaller first") from error
    except Exception as error:
        # On damaged files the decoders raise nearly anything, from struct.error to RuntimeError.
        if "MAX_TEXT" in str(error):  # Pillow's limits of a PNG's texts, by name
            raise UnreadableImage(
                "the texts in this PNG are too large to be read safely: save it anew without metadata"
            ) from error
        kind = next((name for name in pillow_settings.input_formats() if _begins_like(name, prefix)), None)
        if isinstance(error, UnidentifiedImageError) and kind is None:
            raise UnreadableImage(f"not a picture of a known kind; {_READABLE} are read") from error
        raise UnreadableImage(
            f"the {kind or 'picture'} file is cut short or damaged: copy it again from where it came from"
        ) from error
    # Only now is Pillow's copy of the picture gone: turning it earlier would need a third one.
    alpha = None if photo.alpha is None else upright(photo.alpha, orientation)
    return replace(photo, pixels=upright(photo.pixels, orientation), alpha=alpha)


def _decode_as_stored(file: BinaryIO) -> tuple[Photo, int]:
    """The photo as it lies in the file, and the EXIF orientation still to be applied."""
    file.seek(0)
    head = file.read(LONGEST_HEAD)
    file.seek(0)
    picture = Image.open(file, formats=_decoders_for(head))
    _refuse_unsupported(picture)
    stored = stored_layout(picture, head)
    colors = described_colors(picture, head)
    forget_xmp(picture)
    picture.load()
    pixels, alpha, profile, exact = samples_of(picture, stored, colors)
    # Phones and 3-D cameras append further pictures to a JPEG; the first one is the photo.
    name = "JPEG" if picture.format == "MPO" else str(picture.format)
    exif, exif_with_position = (clean_exif(picture, position=position) for position in (False, True))
    photo = Photo(
        pixels,
        alpha,
        name,
        profile,
        exif,
        exif_with_position,
        exact,
        jpeg_quality(picture),
        is_lossless_webp(head),
        notes_of(picture, file, depth_of(stored), colors),
    )
    return photo, orientation_of(picture)


def _decoders_for(head: bytes) -> tuple[str, ...]:
    """AVIF and HEIC files begin alike, and the library of one opens the other's before it fails."""
    formats = pillow_settings.input_formats()
    if head[4:8] != b"ftyp":
        return formats
    return tuple(name for name in formats if name != ("HEIF" if is_avif(head) else "AVIF"))


def _refuse_unsupported(picture: ImageFile.ImageFile) -> None:
    """Raise UnreadableImage for what Pillow opens but what is not one photo in integer samples."""
    if picture.format == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        # Camera raw files are TIFFs with a small preview in front (reduced-resolution flag, DNG version).
        if int(tags.get(254, 0)) & 1 or 50706 in tags:
            raise UnreadableImage("camera raw files are not supported: export a JPEG or a TIFF first")
    # A HEIF file with several pictures names one as the photo itself, as MPO does by its order.
    if picture.format not in ("MPO", "HEIF") and getattr(picture, "n_frames", 1) > 1:
        if picture.format == "TIFF":
            raise UnreadableImage("several pages are not supported: save each page as its own file")
        raise UnreadableImage("animated pictures are not supported: save the frame you need as a PNG")
    if picture.mode in ("I", "F"):
        raise UnreadableImage("samples of 32 bits are not supported: save it with 8 or 16 bits first")


def _begins_like(name: str, prefix: bytes) -> bool:
    accept = Image.OPEN[name][1] if name in Image.OPEN else None
    return accept is not None and accept(prefix) is True


def encode_photo(
    photo: Photo,
    *,
    file_format: str,
    quality: int | None = None,
    keep_metadata: bool = False,
    keep_position: bool = False,
) -> bytes:
    """Bytes of a file in `format` (as `output_format` names it) with the photo's pixels and color profile.

    `quality`, 1 to 100, is for JPEG, HEIF and AVIF (4:4:4 all) and WebP (lossy, always 4:2:0); by default the larger
    of `QUALITY` and the photo's own, and a lossless WebP stays one. PNG, TIFF (deflate) and BMP are lossless. JPEG
    and BMP hold no alpha: such a photo is laid on white. WebP and AVIF hold no gray: it becomes RGB, and gray with
    alpha does in HEIF. BMP holds no color profile: colors are brought to sRGB. `keep_metadata` writes `photo.exif`,
    with `keep_position` `photo.exif_with_position` (not in BMP; a TIFF is not compressed then).

    Raises UnsupportedFormat and CannotWrite; ValueError for a quality out of range and for `keep_position` alone.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"quality must be from 1 to 100, not {quality}")
    if keep_position and not keep_metadata:
        raise ValueError("keep_position needs keep_metadata")
    suffix_for(file_format)  # raises for a format that is not written
    if max(photo.size) > _LONGEST_SIDE.get(file_format, max(photo.size)):
        raise UnsupportedFormat(
            f"a {file_format} file holds at most {_LONGEST_SIDE[file_format]:,} pixels a side and this picture is "
            f"{photo.size[0]} x {photo.size[1]}: save it as PNG or TIFF"
        )
    options = dict(_SAVE_OPTIONS[file_format])
    if file_format == "WEBP" and photo.lossless and quality is None:
        options["lossless"] = True
    elif file_format in _LOSSY:
        options["quality"] = quality or max(QUALITY, photo.quality or 0)
    if photo.icc_profile and file_format != "BMP":
        options["icc_profile"] = photo.icc_profile
    exif = photo.exif_with_position if keep_position else photo.exif
    if exif and keep_metadata and file_format != "BMP":
        options["exif"] = exif
        options.pop("compression", None)  # the TIFF library fails on EXIF; Pillow writes it, but uncompressed
    # The optimizing JPEG encoder needs room for the whole file; Pillow's guess is too small for 4:4:4 noise.
    room = 8 * photo.size[0] * photo.size[1] + 1_000_000 if file_format == "JPEG" else 0
    file = io.BytesIO()
    try:
        if file_format == "BMP" and photo.icc_profile:
            photo = replace(photo, pixels=in_srgb(photo.pixels, photo.icc_profile))
        picture = _with_alpha(photo, keep=file_format in _HOLDS_ALPHA)
        with pillow_settings.applied(room):
            if file_format == "HEIF" and ("HEIF" not in pillow_settings.input_formats() or "HEIF" not in Image.SAVE):
                raise UnsupportedFormat("HEIC files cannot be written on this computer: choose .jpg or .png")
            if file_format == "AVIF" and not features.check("avif"):
                raise UnsupportedFormat("AVIF files cannot be written on this computer: choose .jpg or .png")
            picture.save(file, file_format, **options)
    except ImageError:
        raise
    except Exception as error:  # OSError, ValueError, SystemError, ...: each encoder has its own
        raise CannotWrite(f"the picture cannot be encoded as {file_format}: {reason_of(error)}") from error
    return file.getvalue()


def _with_alpha(photo: Photo, *, keep: bool) -> Image.Image:
    if photo.alpha is not None and not keep:
        return _laid_on("white", photo.pixels, photo.alpha)
    picture = Image.fromarray(photo.pixels)
    if photo.alpha is not None:
        picture.putalpha(Image.fromarray(photo.alpha))
    return picture


def as_seen(photo: Photo) -> dict[str, np.ndarray]:
    """What programs show of a photo: its own colors, as «», and where something shines through, on a background."""
    seen = {"": photo.pixels}
    if photo.alpha is not None and photo.alpha.min() < 255:
        seen |= {f" on {color}": np.asarray(_laid_on(color, photo.pixels, photo.alpha)) for color in ("white", "black")}
    return seen


def _laid_on(color: str, pixels: np.ndarray, alpha: np.ndarray) -> Image.Image:
    picture = Image.fromarray(pixels)
    page = Image.new(picture.mode, picture.size, color)
    page.paste(picture, mask=Image.fromarray(alpha))
    return page
