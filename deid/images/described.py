"""What a file says of its colors in other words than an ICC profile, and such a profile made of it.

PNG says it by code points (cICP) or numbers (gAMA, cHRM), AVIF and HEIC by code points (nclx), JPEG 2000 by a number
of its own or a profile that Pillow does not look for, TIFF by tags. Where a file says it twice, what browsers believe
counts: cICP, then ICC, then sRGB, then gAMA and cHRM (PNG, third edition); ICC, then nclx.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import ImageFile

from deid.images.boxes import Box, properties_of
from deid.images.icc import cicp_of, profile_from

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of red, green, blue and white."""
Transfer = float | Literal["srgb", "pq", "hlg"]
"""From samples to light; a number is an exponent."""

_D65, _C = (0.3127, 0.329), (0.310, 0.316)
BT709: Chromaticities = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, *_D65)
# By the code points of ITU-T H.273, tables 2 and 3.
_PRIMARIES: dict[int, Chromaticities] = {
    1: BT709,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
# The curves of television cameras (1, 6, 14, 15) are shown by browsers as sRGB.
_TRANSFERS: dict[int, Transfer] = {
    **dict.fromkeys((1, 6, 13, 14, 15), "srgb"),
    4: 2.2,
    5: 2.8,
    8: 1.0,
    16: "pq",
    18: "hlg",
}
_UNSAID = 2
_GAMMAS = (0.2, 6.0)  # beyond is damage
_JPEG_2000_SRGB, _TIFF_GAMMA = 16, 2.2


@dataclass(frozen=True)
class Colors:
    """What samples mean. A picture of which nothing is said is sRGB."""

    primaries: Chromaticities = BT709
    transfer: Transfer = "srgb"

    @property
    def hdr(self) -> bool:
        return self.transfer in ("pq", "hlg")


def described_colors(picture: ImageFile.ImageFile, head: bytes) -> Colors | bytes | None:
    """What counts for a picture just opened: numbers, or an ICC profile; None where sRGB or nothing is said.

    head: the file's first bytes, `LONGEST_HEAD` if it has so many.
    """
    profile = picture.info.get("icc_profile") or None
    chunks = _chunks_before_pixels(head) if picture.format == "PNG" else {}
    if (said := _by_codes(chunks.get(b"cICP"))) is not None:
        return said
    properties = properties_of(head) if picture.format in ("AVIF", "HEIF", "JPEG2000") else []
    if not isinstance(profile, bytes):  # a text of a PNG may have this name
        profile = None
    profile = profile or next((box for box in map(_profile_in, properties) if box), None)
    if profile is not None:
        said = _by_codes(cicp_of(profile))
        return said if said is not None and said.hdr else profile
    if properties:
        return next((said for box in properties if (said := _by_nclx(box))), None)
    try:
        if chunks and b"sRGB" not in chunks:
            if b"gAMA" not in chunks:  # cHRM alone counts for nothing in browsers
                return None
            exponent = 100_000 / struct.unpack(">I", chunks[b"gAMA"])[0]
            numbers = struct.unpack(">8I", chunks.get(b"cHRM", bytes(32)))
            return _by_numbers(exponent, [value / 100_000 for value in numbers])
        tags: Any = getattr(picture, "tag_v2", {})
        if 318 in tags and 319 in tags:
            return _by_numbers(_TIFF_GAMMA, [float(value) for value in (*tags[318], *tags[319])])
    except (struct.error, TypeError, ValueError, ZeroDivisionError):  # damaged
        pass
    return None


def profile_of(colors: Colors, *, gray: bool) -> bytes | None:
    """An ICC profile that says the same; None for sRGB and for HDR, which has none that every program knows."""
    if colors.hdr or colors == Colors() or (gray and colors.transfer == "srgb"):
        return None
    return profile_from(colors.primaries, None if colors.transfer == "srgb" else float(colors.transfer), gray=gray)


def _by_codes(codes: bytes | None) -> Colors | None:
    """Primaries, transfer, matrix (0 for RGB) and whether samples fill the full range, a byte each."""
    if codes is None or len(codes) < 4 or codes[2] != 0 or codes[3] != 1:
        return None
    return _by_code_points(codes[0], codes[1])


def _by_nclx(box: Box) -> Colors | None:
    name, content = box
    if name != b"colr" or content[:4] != b"nclx" or len(content) < 8:
        return None
    return _by_code_points(*struct.unpack_from(">HH", content, 4))


def _by_code_points(primaries: int, transfer: int) -> Colors | None:
    if transfer not in _TRANSFERS:
        return Colors(_PRIMARIES[primaries]) if transfer == _UNSAID and primaries in _PRIMARIES else None
    return Colors(_PRIMARIES.get(primaries, BT709), _TRANSFERS[transfer])


def _by_numbers(exponent: float, chromaticities: Sequence[float]) -> Colors | None:
    """exponent: of light over samples; chromaticities: x and y of white, red, green and blue, zeros for none."""
    if not _GAMMAS[0] <= exponent <= _GAMMAS[1]:
        return None
    wx, wy, rx, ry, gx, gy, bx, by = chromaticities
    primaries = (rx, ry, gx, gy, bx, by, wx, wy)
    # Written with three or five places, these are the same.
    if not any(primaries) or max(abs(a - b) for a, b in zip(primaries, BT709, strict=True)) <= 0.001:
        primaries = BT709
    return Colors(primaries, exponent)


def _profile_in(box: Box) -> bytes | None:
    """JPEG 2000 (methods 2 and 3) and the others (prof, rICC) mean an ICC profile."""
    name, content = box
    if name != b"colr":
        return None
    if content[:4] in (b"prof", b"rICC"):
        return content[4:]
    return content[3:] if content[:1] in (b"\2", b"\3") else None


def _chunks_before_pixels(head: bytes) -> dict[bytes, bytes]:
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at + 8 <= len(head):
        size, name = struct.unpack_from(">I4s", head, at)
        if name == b"IDAT":
            break
        chunks.setdefault(name, head[at + 8 : at + 8 + size])
        at += size + 12
    return chunks
