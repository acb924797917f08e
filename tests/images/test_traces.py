"""A picture hidden anywhere in a file beside its pixels: no byte of it is in what is written."""

import io
import itertools
import struct
import zlib
from collections.abc import Iterator

import pytest
from images.picture_files import SRGB, WRITTEN, noise, png_of, saved, smooth, unfiltered
from images.test_exif import block_with
from images.test_icc import COLORS_OF_P3, profile_of
from PIL import ExifTags, Image, TiffImagePlugin

from deid.images import pillow_settings
from deid.images.photo import decode_photo, encode_photo

pillow_settings.input_formats()
HIDDEN = saved(Image.fromarray(noise(24, 24, 3, seed=7)), "JPEG", quality=60)
ARRAY = smooth(24, 32)
PICTURE = Image.fromarray(ARRAY)
PROFILE = profile_of(COLORS_OF_P3 | {b"prvt": b"data" + bytes(4) + HIDDEN})
XMP = b"<x:xmpmeta>" + HIDDEN + b"</x:xmpmeta>"
BLOCKS = {
    "description": block_with(None, ExifTags.Base.ImageDescription, 2, HIDDEN),
    "maker": block_with(None, ExifTags.Base.Make, 7, HIDDEN),
    "XMP in EXIF": block_with(ExifTags.IFD.Exif, 700, 1, HIDDEN),
    "IPTC in EXIF": block_with(ExifTags.IFD.Exif, 33_723, 4, HIDDEN),
    "DNG's private data": block_with(ExifTags.IFD.Exif, 0xC634, 1, HIDDEN),
    "maker's notes": block_with(ExifTags.IFD.Exif, ExifTags.Base.MakerNote, 7, HIDDEN),
    "user comment": block_with(ExifTags.IFD.Exif, ExifTags.Base.UserComment, 7, HIDDEN),
    "GPS area": block_with(ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSAreaInformation, 7, HIDDEN),
    "unlinked": block_with(None, ExifTags.Base.Make, 2, b"Camera\0") + HIDDEN,
}


def jpegs() -> Iterator[tuple[str, bytes]]:
    whole = saved(PICTURE, "JPEG", quality=95)

    def segment(marker: int, payload: bytes) -> bytes:
        return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + whole[2:]

    yield "JFXX thumbnail", segment(0xE0, b"JFXX\0\x10" + HIDDEN)
    yield "XMP", segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    yield "extended XMP", segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + HIDDEN)
    yield "color profile", segment(0xE2, b"ICC_PROFILE\0\1\1" + PROFILE)
    yield "no color profile", segment(0xE2, b"ICC_PROFILE\0\1\1" + HIDDEN)
    yield "further pictures", segment(0xE2, b"MPF\0" + HIDDEN)
    yield "IPTC", segment(0xED, b"Photoshop 3.0\x008BIM\x04\x0c\0\0" + struct.pack(">I", len(HIDDEN)) + HIDDEN)
    for marker in (0xE3, 0xEB, 0xEE, 0xEF, 0xFE):
        yield f"segment {marker:x}", segment(marker, HIDDEN)
    yield "behind", whole + HIDDEN
    for name, block in BLOCKS.items():
        yield f"EXIF: {name}", segment(0xE1, block)


def pngs() -> Iterator[tuple[str, bytes]]:
    def chunk(name: bytes, data: bytes) -> bytes:
        return png_of((32, 24, 8, 2), unfiltered(ARRAY), (name, data))

    compressed = zlib.compress(HIDDEN)
    for name in (b"Comment", b"comment", b"exif", b"icc_profile", b"photoshop", b"Raw profile type iptc"):
        yield f"tEXt {name.decode()}", chunk(b"tEXt", name + b"\0" + HIDDEN)
    yield "tEXt in hexadecimal", chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 9\n" + HIDDEN.hex().encode())
    yield "zTXt", chunk(b"zTXt", b"Comment\0\0" + compressed)
    yield "iTXt", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    yield "iTXt, compressed", chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + compressed)
    yield "iCCP", chunk(b"iCCP", b"Jane\0\0" + zlib.compress(PROFILE))
    yield "no iCCP", chunk(b"iCCP", b"Jane\0\0" + compressed)
    yield "private chunk", chunk(b"prVt", HIDDEN)
    yield "behind", chunk(b"prVt", b"") + HIDDEN
    for name, block in BLOCKS.items():
        yield f"EXIF: {name}", chunk(b"eXIf", block[6:])


def webps() -> Iterator[tuple[str, bytes]]:
    def with_chunk(whole: bytes, name: bytes) -> bytes:
        chunk = name + struct.pack("<I", len(HIDDEN)) + HIDDEN + bytes(len(HIDDEN) % 2)
        return whole[:4] + struct.pack("<I", len(whole) - 8 + len(chunk)) + whole[8:] + chunk

    yield "XMP", saved(PICTURE, "WEBP", xmp=XMP)
    yield "color profile", saved(PICTURE, "WEBP", icc_profile=PROFILE)
    yield "unknown chunk", with_chunk(saved(PICTURE, "WEBP", icc_profile=SRGB), b"JANE")
    yield "behind", saved(PICTURE, "WEBP") + HIDDEN
    for name, block in BLOCKS.items():
        yield f"EXIF: {name}", saved(PICTURE, "WEBP", exif=block)


def tiffs() -> Iterator[tuple[str, bytes]]:
    for tag in (270, 271, 305, 315, 347, 700, 33_432, 33_723, 34_377, 37_724, 50_740, 65_000):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags.tagtype[tag] = 7
        tags[tag] = HIDDEN
        data = saved(PICTURE, "TIFF", tiffinfo=tags)
        for kind in (1, 2, 7):  # Pillow writes no text of arbitrary bytes
            entry = struct.pack("<HHI", tag, kind, len(HIDDEN))
            yield f"tag {tag} of type {kind}", data.replace(struct.pack("<HHI", tag, 7, len(HIDDEN)), entry)
    yield "color profile", saved(PICTURE, "TIFF", icc_profile=PROFILE)
    yield "behind", saved(PICTURE, "TIFF") + HIDDEN
    name = "DNG's private data"
    yield f"EXIF: {name}", saved(PICTURE, "TIFF", exif=BLOCKS[name])


def others() -> Iterator[tuple[str, bytes]]:
    pixels = PICTURE.quantize()
    yield "GIF comment", saved(pixels, "GIF", comment=HIDDEN[-250:])
    gif = saved(pixels, "GIF")
    blocks = b"".join(bytes([len(HIDDEN[i : i + 255])]) + HIDDEN[i : i + 255] for i in range(0, len(HIDDEN), 255))
    yield "GIF application", gif[:-1] + b"\x21\xff\x0bXMP DataXMP" + blocks + b"\0;"
    yield "GIF behind", gif + HIDDEN
    bmp = saved(PICTURE, "BMP")
    gap = struct.pack("<I", 54 + len(HIDDEN))
    yield "BMP gap", bmp[:10] + gap + bmp[14:54] + HIDDEN + bmp[54:]
    yield "BMP behind", bmp + HIDDEN
    # Its encoder writes XMP as UTF-8.
    yield "HEIF XMP", saved(PICTURE, "HEIF", xmp=b"X" * len(XMP)).replace(b"X" * len(XMP), XMP)
    yield "HEIF color profile", saved(PICTURE, "HEIF", icc_profile=PROFILE)
    yield "HEIF box", saved(PICTURE, "HEIF") + struct.pack(">I4s", 8 + len(HIDDEN), b"free") + HIDDEN
    yield "HEIF thumbnail", saved(PICTURE.resize((640, 480)), "HEIF", thumbnails=[64]) + HIDDEN
    for name, block in BLOCKS.items():
        yield f"HEIF EXIF: {name}", saved(PICTURE, "HEIF", exif=block)


FILES = [
    pytest.param(data, id=f"{kind} {place}")
    for kind, files in (("JPEG", jpegs()), ("PNG", pngs()), ("WebP", webps()), ("TIFF", tiffs()), ("", others()))
    for place, data in files
]


def traces_in(data: bytes) -> set[bytes]:
    """Parts of the hidden picture in a file or in what Pillow reads of it, as they are or in hexadecimal."""
    info = Image.open(io.BytesIO(data)).info.values()
    everything = data + b"".join(value if isinstance(value, bytes) else str(value).encode("latin-1") for value in info)
    # Its scan alone: every JPEG begins alike.
    parts = {HIDDEN[i : i + 12] for i in range(HIDDEN.index(b"\xff\xda") + 14, len(HIDDEN) - 12, 12)}
    return {part for part in parts if part in everything or part.hex().encode() in everything.lower()}


@pytest.mark.parametrize("data", FILES)
def test_no_trace_of_a_hidden_picture_is_written(data: bytes) -> None:
    photo = decode_photo(data)
    assert photo.pixels.shape[:2] in ((24, 32), (480, 640))
    for file_format, kept in itertools.product(WRITTEN, (False, True)):
        written = encode_photo(photo, file_format=file_format, keep_metadata=kept, keep_position=kept)
        assert not traces_in(written), (file_format, kept)
    if photo.format in WRITTEN:
        assert not traces_in(encode_photo(photo, file_format=photo.format, keep_metadata=True))


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO file")
def test_the_search_finds_what_is_there() -> None:
    found = [bool(traces_in(param.values[0])) for param in FILES]  # type: ignore[arg-type]
    assert all(found)
