"""The boxes of AVIF, HEIC and JPEG 2000 files: what is said there of the colors and depth of the picture itself.

Layouts: ISO/IEC 14496-12 (boxes), 23008-12 (properties of items), 15444-1 annex I (JPEG 2000). Damaged boxes count as
none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

LONGEST_HEAD = 4_000_000
"""Bytes from the file's start in which these boxes are looked for."""

Box = tuple[bytes, bytes]
"""Type and content."""


def properties_of(head: bytes) -> list[Box]:
    """What describes the main picture of a file, in its order; empty for what is no such file.

    head: the file's first bytes, `LONGEST_HEAD` at most.
    """
    try:
        top = dict(_boxes(head))
        if b"jp2h" in top:
            return list(_boxes(top[b"jp2h"]))
        meta = dict(_boxes(top.get(b"meta", b"")[4:]))
        primary, listed = meta.get(b"pitm", b""), dict(_boxes(meta.get(b"iprp", b"")))
        if not primary or b"ipco" not in listed or b"ipma" not in listed:
            return []
        item = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)[0]
        properties = list(_boxes(listed[b"ipco"]))
        return [properties[n - 1] for n in _indices(listed[b"ipma"], item) if 0 < n <= len(properties)]
    except (struct.error, IndexError, ValueError):
        return []


def depth_in(head: bytes) -> int:
    """Bits a sample of the main picture; 8 where nothing is said."""
    size = head.find(b"\xff\x4f\xff\x51")  # begins the picture data of JPEG 2000
    if size >= 0 and len(head) > size + 42 and head[4:8] != b"ftyp":
        return (head[size + 42] & 0x7F) + 1
    depths = [content[5:] for name, content in properties_of(head) if name == b"pixi"]
    return max(depths[0], default=8) if depths else 8


def is_avif(head: bytes) -> bool:
    """Whether a file says in its first box that its pictures are AV1's."""
    brands = next((content for name, content in _boxes(head[:4096]) if name == b"ftyp"), b"")
    return any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4) if at != 4)


def _boxes(data: bytes) -> Iterator[Box]:
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= len(data):
            size, start = struct.unpack_from(">Q", data, at + 8)[0], at + 16
        end = len(data) if size == 0 else at + size
        if end < start:
            return
        yield name, data[start:end]
        at = end


def _indices(associations: bytes, item: int) -> list[int]:
    """Which properties, counted from 1, belong to an item (box «ipma»)."""
    wide, at = associations[3] & 1, 8
    for _ in range(struct.unpack_from(">I", associations, 4)[0]):
        number = struct.unpack_from(">I" if associations[0] else ">H", associations, at)[0]
        at += 4 if associations[0] else 2
        count = associations[at]
        at += 1
        found = struct.unpack_from(f">{count}{'H' if wide else 'B'}", associations, at)
        if number == item:
            return [index & (0x7FFF if wide else 0x7F) for index in found]
        at += count * (2 if wide else 1)
    return []
