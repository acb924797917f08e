"""The EXIF block of a photo: its orientation, and the tags that may be published, one by one.

A tag is kept if it is listed here and its value is one that such a tag has: a number, a date, a short name. A block may
hold a picture in every other place: a thumbnail, maker's notes, DNG's private data, XMP and IPTC, a text.

Not listed, although harmless to look at: titles, comments, artist, copyright and owner (free text that names people),
serial numbers and unique ids (they link photos to each other), software (it says what wrote the file, and this program
does now), subject areas (they say where the faces are). A time zone tells the place, so it goes with the position.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from PIL import ExifTags, Image

_Base, _GPS, _IFD = ExifTags.Base, ExifTags.GPS, ExifTags.IFD
_LONGEST_NAME = 128

Reading = Callable[[Any], Any]
"""A value as Pillow read it → the value to write; None if a tag of this kind has no such value."""


def _name(value: Any) -> str | None:
    text = value.strip("\0 ") if isinstance(value, str) else ""
    return text if 0 < len(text) <= _LONGEST_NAME and text.isascii() and text.isprintable() else None


def _text_like(pattern: str) -> Reading:
    def reading(value: Any) -> str | None:
        text = value.strip("\0 ") if isinstance(value, str) else ""
        return text if re.fullmatch(pattern, text, re.ASCII) else None

    return reading


def _bytes_like(pattern: bytes) -> Reading:
    return lambda value: value if isinstance(value, bytes) and re.fullmatch(pattern, value, re.DOTALL) else None


def _number(value: Any) -> Any:
    """An integer of at most 32 bits, or a fraction of two."""
    return value if _finite(value) and abs(float(value)) < 2**32 else None


def _unsigned(value: Any) -> Any:
    return None if _number(value) is None or value < 0 else value


def _numbers(count: int) -> Reading:
    def reading(value: Any) -> tuple[Any, ...] | None:
        numbers = tuple(map(_unsigned, value)) if isinstance(value, tuple) and len(value) == count else (None,)
        return None if None in numbers else numbers

    return reading


def _finite(value: Any) -> bool:
    # Pillow's fraction of 0/0 is not a number, and of 1/0 an error in some versions.
    try:
        return not isinstance(value, str | bytes) and math.isfinite(float(value))
    except (TypeError, ValueError, ArithmeticError):
        return False


_DATE = _text_like(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
_FRACTION_OF_SECOND = _text_like(r"\d{1,9}")
_TIME_ZONE = _text_like(r"[+-]\d\d:\d\d")

_KEPT: Mapping[int | None, Mapping[int, Reading]] = {
    None: {
        _Base.Make: _name,
        _Base.Model: _name,
        _Base.XResolution: _number,
        _Base.YResolution: _number,
        _Base.ResolutionUnit: _number,
        _Base.DateTime: _DATE,
    },
    _IFD.Exif: {
        _Base.ExifVersion: _bytes_like(rb"\d{4}"),
        _Base.LensMake: _name,
        _Base.LensModel: _name,
        _Base.LensSpecification: _numbers(4),
        _Base.DateTimeOriginal: _DATE,
        _Base.DateTimeDigitized: _DATE,
        _Base.SubsecTime: _FRACTION_OF_SECOND,
        _Base.SubsecTimeOriginal: _FRACTION_OF_SECOND,
        _Base.SubsecTimeDigitized: _FRACTION_OF_SECOND,
        **dict.fromkeys(
            (
                _Base.ExposureTime,
                _Base.FNumber,
                _Base.ExposureProgram,
                _Base.ISOSpeedRatings,
                _Base.SensitivityType,
                _Base.StandardOutputSensitivity,
                _Base.RecommendedExposureIndex,
                _Base.ISOSpeed,
                _Base.ShutterSpeedValue,
                _Base.ApertureValue,
                _Base.BrightnessValue,
                _Base.ExposureBiasValue,
                _Base.MaxApertureValue,
                _Base.SubjectDistance,
                _Base.MeteringMode,
                _Base.LightSource,
                _Base.Flash,
                _Base.FocalLength,
                _Base.FocalLengthIn35mmFilm,
                _Base.ColorSpace,
                _Base.SensingMethod,
                _Base.ExposureMode,
                _Base.WhiteBalance,
                _Base.DigitalZoomRatio,
                _Base.SceneCaptureType,
                _Base.GainControl,
                _Base.Contrast,
                _Base.Saturation,
                _Base.Sharpness,
                _Base.SubjectDistanceRange,
            ),
            _number,
        ),
    },
}
_KEPT_WITH_POSITION: Mapping[int | None, Mapping[int, Reading]] = {
    None: _KEPT[None],
    _IFD.Exif: {
        **_KEPT[_IFD.Exif],
        _Base.OffsetTime: _TIME_ZONE,
        _Base.OffsetTimeOriginal: _TIME_ZONE,
        _Base.OffsetTimeDigitized: _TIME_ZONE,
    },
    _IFD.GPSInfo: {
        _GPS.GPSVersionID: _bytes_like(rb"[\0-\x09]{4}"),
        _GPS.GPSLatitudeRef: _text_like("[NS]"),
        _GPS.GPSLatitude: _numbers(3),
        _GPS.GPSLongitudeRef: _text_like("[EW]"),
        _GPS.GPSLongitude: _numbers(3),
        _GPS.GPSAltitudeRef: _bytes_like(rb"[\0-\x03]"),
        _GPS.GPSAltitude: _unsigned,
        _GPS.GPSTimeStamp: _numbers(3),
        _GPS.GPSDateStamp: _text_like(r"\d{4}:\d\d:\d\d"),
        _GPS.GPSSpeedRef: _text_like("[KMN]"),
        _GPS.GPSSpeed: _unsigned,
        _GPS.GPSImgDirectionRef: _text_like("[TM]"),
        _GPS.GPSImgDirection: _unsigned,
        _GPS.GPSMapDatum: _text_like(r"[\w -]{1,16}"),
        _GPS.GPSDOP: _unsigned,
        _GPS.GPSHPositioningError: _unsigned,
    },
}


def orientation_of(picture: Image.Image) -> int:
    """EXIF orientation of a loaded picture, 1 to 8; 1 (upright) where there is none or it makes no sense."""
    try:
        orientation = _block_of(picture).get(_Base.Orientation, 1)
    except Exception:  # Pillow's EXIF parser raises many kinds of errors on broken blocks
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def clean_exif(picture: Image.Image, *, position: bool) -> bytes | None:
    """EXIF of a loaded picture, fit to be published with other pixels; None if nothing is left.

    Kept: camera, lens, dates, exposure and resolution; with `position` also where the photo was taken (GPS) and
    the time zone. Orientation is left out, as it has been applied.
    """
    try:
        source = _block_of(picture)
        kept = Image.Exif()
        for ifd, readings in (_KEPT_WITH_POSITION if position else _KEPT).items():
            values = source if ifd is None else source.get_ifd(ifd)
            read = {int(tag): readings[tag](values[tag]) for tag in readings if tag in values}
            clean = {tag: value for tag, value in read.items() if value is not None}
            if ifd is None:
                kept.update(clean)
            elif clean:
                kept[ifd] = clean
        return kept.tobytes() if len(kept) else None
    except Exception:  # as above: a broken block counts as none
        return None


def _block_of(picture: Image.Image) -> Image.Exif:
    """The EXIF block alone: Pillow's `getexif` also takes texts of a PNG for EXIF and an orientation from XMP.

    Browsers turn a picture by neither. A TIFF has no block: its own tags are its EXIF.
    """
    if picture.format == "TIFF":
        return picture.getexif()
    texts = getattr(picture, "text", {})
    block = Image.Exif()
    block.load(b"" if "exif" in texts else picture.info.get("exif", b""))
    return block


def forget_xmp(picture: Image.Image) -> None:
    """To be called before a picture is loaded: Pillow turns a TIFF by the orientation in its XMP while loading it."""
    picture.info.pop("xmp", None)
