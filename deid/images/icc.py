"""ICC profiles written (anew) from the few numbers that give colors their meaning; nothing else is carried over.

A profile may hold anything beside its colors: private tags, texts, pictures, bytes between its tags. So none is copied:
primaries, curves and white point are read, and a profile of at most 3 kB is built from them. The layout is that of
ICC.1:2022; what other programs disagree about (two tags of one name) is read as browsers do: the first counts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

_NAME = "Colors of a photo"
_D50 = struct.pack(">3i", 63_190, 65_536, 54_061)  # the illuminant of every profile, X Y Z in units of 2^-16
_D50_WHITE = np.array([0.9642, 1, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1, as function 3
_CLASSES = (b"mntr", b"scnr", b"spac", b"prtr")
_PARAMETERS = (1, 3, 4, 5, 7)  # of each parametric function, 0 to 4
# A photo has 8 bits a sample: between these entries no program looks a color up.
_LONGEST_CURVE = 256


def rebuilt_profile(profile: bytes | None) -> bytes | None:
    """The same colors for 8-bit samples in a new ICC profile, RGB or gray; None where that is not possible.

    Not possible: what is no ICC profile of version 2 or 4, has no primaries or curves, or describes its colors by a
    table (A2B, D2B), as a table can hold any bytes. A curve of over 256 entries is read at 256 places, and must not
    fall.
    """
    if profile is None or len(profile) < 132 or profile[36:40] != b"acsp":
        return None
    major, device_class, space, connection = profile[8], profile[12:16], profile[16:20], profile[20:24]
    if major not in (2, 4) or device_class not in _CLASSES:
        return None
    source = _tags_of(profile)
    if any(name[:3] in (b"A2B", b"D2B") for name in source):
        return None
    if space == b"RGB " and connection == b"XYZ ":
        primaries, curves = [b"rXYZ", b"gXYZ", b"bXYZ"], [b"rTRC", b"gTRC", b"bTRC"]
    elif space == b"GRAY" and connection in (b"XYZ ", b"Lab "):
        primaries, curves = [], [b"kTRC"]
    else:
        return None
    needed = {name: _fields(source.get(name, b""), b"XYZ ", 12) for name in primaries}
    needed |= {name: _curve(source.get(name, b"")) for name in curves}
    found = {name: tag for name, tag in needed.items() if tag is not None}
    if len(found) < len(needed):
        return None
    tags = {b"desc": _description(major), b"cprt": _text("None", major)}
    tags[b"wtpt"] = _fields(source.get(b"wtpt", b""), b"XYZ ", 12) or b"XYZ " + bytes(4) + _D50
    for name, kind, size in ((b"chad", b"sf32", 36), (b"cicp", b"cicp", 4)):
        tag = _fields(source.get(name, b""), kind, size)
        if tag is not None:
            tags[name] = tag
    return _assembled(major, device_class + space + connection, profile[67] & 3, tags | found)


def profile_from(primaries: Sequence[float], exponent: float | None, *, gray: bool) -> bytes | None:
    """A profile of version 4 of x and y of red, green, blue and white; None where these span no colors.

    exponent: of light over samples; None: the curve of sRGB.
    """
    curve = b"para" + bytes(4) + (struct.pack(">Hxx", 3) + _fixed(*_SRGB_CURVE))
    if exponent is not None:
        curve = b"para" + bytes(4) + struct.pack(">Hxx", 0) + _fixed(exponent)
    tags = {b"desc": _description(4), b"cprt": _text("None", 4), b"wtpt": b"XYZ " + bytes(4) + _D50}
    if gray:
        return _assembled(4, b"mntrGRAYXYZ ", 0, tags | {b"kTRC": curve})
    try:
        to_xyz, adaptation = rgb_to_xyz(primaries), _to_d50(primaries[6:])
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), to_xyz.T, strict=True):
            tags[name] = b"XYZ " + bytes(4) + _fixed(*column)
        tags[b"chad"] = b"sf32" + bytes(4) + _fixed(*adaptation.ravel())
    except (np.linalg.LinAlgError, struct.error, ValueError, OverflowError, ZeroDivisionError):
        return None
    return _assembled(4, b"mntrRGB XYZ ", 0, tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def rgb_to_xyz(primaries: Sequence[float]) -> np.ndarray:
    """Matrix (3, 3) from linear RGB to XYZ with white at D50, of x and y of red, green, blue and white.

    Raises LinAlgError and ZeroDivisionError for primaries that span no colors.
    """
    directions = np.stack([_xyz(*primaries[i : i + 2]) for i in (0, 2, 4)], axis=1)
    return _to_d50(primaries[6:]) @ directions * np.linalg.solve(directions, _xyz(*primaries[6:]))


def _to_d50(white: Sequence[float]) -> np.ndarray:
    """Adaptation of XYZ to D50 by Bradford's matrix (ICC.1:2022, annex E)."""
    gain = (_BRADFORD @ _D50_WHITE) / (_BRADFORD @ _xyz(*white))
    return np.linalg.inv(_BRADFORD) @ np.diag(gain) @ _BRADFORD


def _xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1, (1 - x - y) / y])


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(float(number) * 65_536) for number in numbers))


def cicp_of(profile: bytes) -> bytes | None:
    """Code points (ITU-T H.273) in a profile: primaries, transfer, matrix and full range, a byte each."""
    if len(profile) < 132:
        return None
    tag = _fields(_tags_of(profile).get(b"cicp", b""), b"cicp", 4)
    return None if tag is None else tag[8:]


def _tags_of(profile: bytes) -> dict[bytes, bytes]:
    """Name → data of the tags that lie inside the profile."""
    count = min(int.from_bytes(profile[128:132], "big"), (len(profile) - 132) // 12)
    tags: dict[bytes, bytes] = {}
    for name, start, size in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count]):
        tags.setdefault(name, profile[start : start + size] if start + size <= len(profile) else b"")
    return tags


def _fields(tag: bytes, kind: bytes, size: int) -> bytes | None:
    """A tag of this type with its first `size` bytes of numbers; None if it is another one or too short."""
    return kind + bytes(4) + tag[8 : 8 + size] if tag[:4] == kind and len(tag) >= 8 + size else None


def _curve(tag: bytes) -> bytes | None:
    if len(tag) < 12:
        return None
    if tag[:4] == b"para":
        function = int.from_bytes(tag[8:10], "big")
        size = 4 * _PARAMETERS[function] if function < len(_PARAMETERS) else len(tag)
        numbers = _fields(tag, b"para", 4 + size)
        return None if numbers is None else numbers[:10] + bytes(2) + numbers[12:]
    count = int.from_bytes(tag[8:12], "big")
    if tag[:4] != b"curv" or len(tag) < 12 + 2 * count:
        return None
    entries = np.frombuffer(tag, ">u2", count, 12)
    if np.any(entries[1:] < entries[:-1]):
        return None
    if count > _LONGEST_CURVE:
        places = np.linspace(0, count - 1, _LONGEST_CURVE)
        entries = np.rint(np.interp(places, np.arange(count), entries)).astype(">u2")
    return b"curv" + bytes(4) + struct.pack(">I", len(entries)) + entries.tobytes()


def _text(text: str, major: int) -> bytes:
    if major == 2:
        return b"text" + bytes(4) + text.encode() + b"\0"
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(encoded), 28) + encoded


def _description(major: int) -> bytes:
    if major == 4:
        return _text(_NAME, major)
    # Version 2 has the text in ASCII, and room for it in Unicode and in the script of an old Macintosh: left empty.
    return b"desc" + bytes(4) + struct.pack(">I", len(_NAME) + 1) + _NAME.encode() + b"\0" + bytes(78)


def _assembled(major: int, spaces: bytes, intent: int, tags: dict[bytes, bytes]) -> bytes:
    """spaces: class, color space and connection space."""
    start = 132 + 12 * len(tags)
    entries, body, places = b"", b"", dict[bytes, int]()
    for name, tag in tags.items():
        if tag not in places:  # the curves of all three channels are often one
            places[tag] = start + len(body)
            body += tag + bytes(-len(tag) % 4)
        entries += struct.pack(">4sII", name, places[tag], len(tag))
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sBBH", start + len(body), bytes(4), major, 0x40, 0) + spaces + date + b"acsp"
    header += bytes(24) + struct.pack(">I", intent) + _D50
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + body
