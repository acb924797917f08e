"""Which kind of picture a file is, told by its first bytes; by its name only where those say nothing.

The signatures are those that the formats' own specifications give.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

BEGINNING = 512  # bytes that tell a kind


@dataclass(frozen=True)
class Kind:
    """name: as messages have it; format: Pillow's name of it; empty where no decoder of this program is ever asked."""

    name: str
    format: str = ""


RAW = Kind("camera raw")
_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", Kind("JPEG", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", Kind("PNG", "PNG")),
    (b"GIF87a", Kind("GIF", "GIF")),
    (b"GIF89a", Kind("GIF", "GIF")),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind("JPEG 2000", "JPEG2000")),
    (b"\xff\x4f\xff\x51", Kind("JPEG 2000", "JPEG2000")),
    (b"\0\0\0\x0cJXL \r\n\x87\n", Kind("JPEG XL")),
    (b"\xff\x0a", Kind("JPEG XL")),
    (b"II\xbc", Kind("JPEG XR")),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\0", RAW),
    (b"II\x1a\0\0\0HEAPCCDR", RAW),
    (b"\0MRM", RAW),
    (b"FOVb", RAW),
    (b"8BPS", Kind("Photoshop")),
    (b"gimp xcf ", Kind("GIMP")),
    (b"v/1\x01", Kind("OpenEXR")),
    (b"#?RADIANCE", Kind("Radiance")),
    (b"DDS ", Kind("DirectDraw")),
    (b"qoif", Kind("QOI")),
    (b"FLIF", Kind("FLIF")),
    (b"BPG\xfb", Kind("BPG")),
    (b"SIMPLE  =", Kind("FITS")),
)
_TIFF = Kind("TIFF", "TIFF")
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BRANDS = {
    Kind("AVIF", "AVIF"): (b"avif", b"avis"),
    Kind("HEIC", "HEIF"): (
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2",
    ),
    RAW: (b"crx ",),
}  # fmt: skip
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".k25", ".kdc", ".mef", ".mrw", ".nef",
    ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
# Of files that say nothing themselves: damaged, empty, or not yet fetched from where they are stored.
_SUFFIXES = {
    **dict.fromkeys(_RAW_SUFFIXES, RAW),
    **dict.fromkeys((".avif", ".avifs"), Kind("AVIF", "AVIF")),
    **dict.fromkeys((".heics", ".heifs"), Kind("HEIC", "HEIF")),
    **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"), Kind("JPEG 2000", "JPEG2000")),
    **dict.fromkeys((".mpo", ".pjpeg", ".pjp", ".jpg_large", ".jpg_small", ".jps"), Kind("JPEG", "JPEG")),
    **dict.fromkeys((".jxr", ".wdp", ".hdp"), Kind("JPEG XR")),
    **dict.fromkeys((".psd", ".psb"), Kind("Photoshop")),
    **dict.fromkeys((".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".pfm"), Kind("PNM")),
    ".jxl": Kind("JPEG XL"),
    ".xcf": Kind("GIMP"),
    ".exr": Kind("OpenEXR"),
    ".tga": Kind("Targa"),
    ".apng": Kind("PNG", "PNG"),
    ".svg": Kind("SVG"),
}


def kind_of(path: Path) -> Kind | None:
    """What a file is; None for no picture. Raises OSError for an ordinary file that cannot be read.

    A camera raw file is a TIFF by its first bytes in many cases: then its name tells.
    """
    with path.open("rb") as file:
        by_content = kind_of_bytes(file.read(BEGINNING))
    by_name = _SUFFIXES.get(path.suffix.lower())
    return by_name if by_content is None or (by_content == _TIFF and by_name == RAW) else by_content


def looks_like_picture(path: Path) -> bool:
    """Whether an ordinary file is a picture of any kind; one that cannot be read passes: whoever opens it says so."""
    try:
        return path.is_file() and kind_of(path) is not None
    except OSError:
        return True


def kind_of_bytes(beginning: bytes) -> Kind | None:
    """What the first bytes of a file, `BEGINNING` of them if there are so many, say; None for nothing known."""
    if beginning.startswith(_TIFF_SIGNATURES):
        return _TIFF
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return Kind("WebP", "WEBP")
    if beginning[4:8] == b"ftyp":
        return _of_brands(beginning)
    if beginning[:2] == b"BM" and len(beginning) >= 18:  # two letters alone begin many a text
        return Kind("BMP", "BMP") if struct.unpack_from("<I", beginning, 14)[0] in _BMP_HEADERS else None
    if b"<svg" in beginning and beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return Kind("SVG")
    return next((kind for signature, kind in _SIGNATURES if beginning.startswith(signature)), None)


def _of_brands(beginning: bytes) -> Kind | None:
    """By the brands of an ISO base media file: the major one, then those that it is compatible with (ISO 14496-12)."""
    size = min(struct.unpack_from(">I", beginning)[0], len(beginning))
    brands = [beginning[8:12], *(beginning[at : at + 4] for at in range(16, size - 3, 4))]
    first = next((kind for kind, own in _BRANDS.items() if brands[0] in own), None)
    if first is not None and brands[0] in (b"mif1", b"msf1", b"mif2"):  # says only that it is a picture
        return next((kind for kind, own in _BRANDS.items() if any(b in own for b in brands[1:])), first)
    return first
