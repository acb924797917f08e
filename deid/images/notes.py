"""What reading a file leaves out or changes so that somebody could see it, in a few words each."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import ImageFile

from deid.images.described import Colors

GAIN_MAP = "its HDR gain map was removed, as it shows the clear face"
TONE_MAPPED = "its HDR colors were tone-mapped to sRGB"
# In a file with a gain map: Adobe's and Google's name space, the standard's, Apple's, and HEIC's and AVIF's item type.
_GAIN_MAPS = (b"/hdr-gain-map/1.0/", b"urn:iso:std:iso:ts:21496", b"aux:hdrgainmap", b"HDRGainMap:", b"\0\0tmap")
_PIECE = 1 << 22


def notes_of(
    picture: ImageFile.ImageFile, file: BinaryIO, depth: int, colors: Colors | bytes | None
) -> tuple[str, ...]:
    """Of a picture that was read from a file; depth: bits a sample in the file; colors: as the file describes them."""
    notes = []
    if isinstance(colors, Colors) and colors.hdr:
        notes.append(TONE_MAPPED)
    if depth > 8:
        notes.append(f"its {depth} bits a sample became 8")
    if picture.format in ("JPEG", "MPO", "HEIF", "AVIF") and _has_gain_map(file):
        notes.append(GAIN_MAP)
    return tuple(notes)


def is_lossless_webp(head: bytes) -> bool:
    """Whether the picture in a WebP file is stored without loss (chunk «VP8L»)."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return False
    at = 12
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        if name in (b"VP8L", b"VP8 "):
            return bool(name == b"VP8L")
        at += 8 + size + size % 2
    return False


def _has_gain_map(file: BinaryIO) -> bool:
    """Anywhere in the file: in a JPEG the map is a second picture, and its metadata may be the only ones that tell."""
    file.seek(0)
    before = b""
    while piece := file.read(_PIECE):
        if any(mark in before + piece for mark in _GAIN_MAPS):
            return True
        before = piece[-32:]
    return False
