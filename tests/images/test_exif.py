"""Which parts of an EXIF block are published, and which orientation counts; blocks are put together by hand."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from images.picture_files import noise, png_of, saved, smooth, unfiltered
from PIL import ExifTags, Image, PngImagePlugin

from deid.images import pillow_settings
from deid.images.exif import clean_exif
from deid.images.photo import decode_photo, encode_photo

HIDDEN = saved(Image.fromarray(noise(16, 16, 3)), "JPEG", quality=50)
# Types of a value and their bytes: BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}
MORE_SIZES = SIZES | {6: 1, 8: 2, 9: 4, 10: 8, 11: 4, 13: 4, 16: 8, 99: 4}
POINTERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def block_with(ifd: int | None, tag: int, kind: int, value: bytes) -> bytes:
    """An EXIF block with one tag, in the first directory or in one that it points to."""
    value += bytes(-len(value) % SIZES[kind])
    start = 8 if ifd is None else 26
    entry = struct.pack("<HHHI", 1, tag, kind, len(value) // SIZES[kind])
    entry += value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", start + 18)
    first = b"" if ifd is None else struct.pack("<HHHIII", 1, ifd, 4, 1, 26, 0)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + entry + bytes(4) + (value if len(value) > 4 else b"")


def published(block: bytes, *, position: bool = True) -> Image.Exif:
    picture = Image.new("L", (1, 1))
    picture.info["exif"] = block
    clean = Image.Exif()
    clean.load(clean_exif(picture, position=position) or b"")
    return clean


def value_of(clean: Image.Exif, ifd: int | None, tag: int) -> Any:
    return (clean if ifd is None else clean.get_ifd(ifd)).get(tag)


@pytest.mark.filterwarnings("ignore:Metadata Warning", "ignore:Corrupt EXIF data")
@pytest.mark.parametrize("ifd", [None, *POINTERS])
@pytest.mark.parametrize("kind", SIZES)
def test_no_tag_of_any_type_carries_a_picture(ifd: int | None, kind: int) -> None:
    known = ExifTags.GPS if ifd == ExifTags.IFD.GPSInfo else ExifTags.Base
    for tag in sorted({int(each) for each in known} | {0x0001, 0xC634, 0xEA1C, 0xFFFF} - set(POINTERS)):
        picture = Image.new("L", (1, 1))
        picture.info["exif"] = block_with(ifd, tag, kind, HIDDEN)
        clean = clean_exif(picture, position=True) or b""
        assert len(clean) < 200, hex(tag)
        assert not any(HIDDEN[i : i + 16] in clean for i in range(len(HIDDEN) - 16)), hex(tag)


@pytest.mark.parametrize(
    ("ifd", "tag", "kind", "value"),
    [
        (None, ExifTags.Base.Make, 2, b"NIKON CORPORATION\0\0\0"),
        (None, ExifTags.Base.Model, 2, b"Pixel 8 Pro\0"),
        (None, ExifTags.Base.XResolution, 5, struct.pack("<II", 300, 1)),
        (None, ExifTags.Base.ResolutionUnit, 3, struct.pack("<H", 2)),
        (None, ExifTags.Base.DateTime, 2, b"2024:01:02 03:04:05\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.LensModel, 2, b"35mm f/1.8\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.LensSpecification, 5, struct.pack("<8I", 24, 1, 70, 1, 28, 10, 4, 1)),
        (ExifTags.IFD.Exif, ExifTags.Base.DateTimeOriginal, 2, b"2024:01:02 03:04:05\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.SubsecTimeOriginal, 2, b"123\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.ExposureTime, 5, struct.pack("<II", 1, 250)),
        (ExifTags.IFD.Exif, ExifTags.Base.FNumber, 5, struct.pack("<II", 18, 10)),
        (ExifTags.IFD.Exif, ExifTags.Base.ISOSpeedRatings, 3, struct.pack("<H", 400)),
        (ExifTags.IFD.Exif, ExifTags.Base.FocalLength, 5, struct.pack("<II", 50, 1)),
        (ExifTags.IFD.Exif, ExifTags.Base.Flash, 3, struct.pack("<H", 16)),
        (ExifTags.IFD.Exif, ExifTags.Base.MeteringMode, 3, struct.pack("<H", 5)),
        (ExifTags.IFD.Exif, ExifTags.Base.WhiteBalance, 3, struct.pack("<H", 1)),
        (ExifTags.IFD.Exif, ExifTags.Base.ColorSpace, 3, struct.pack("<H", 1)),
        (ExifTags.IFD.Exif, ExifTags.Base.ExifVersion, 7, b"0232"),
    ],
)
def test_camera_dates_and_exposure_are_kept(ifd: int | None, tag: int, kind: int, value: bytes) -> None:
    block = block_with(ifd, tag, kind, value)
    before, clean = Image.Exif(), published(block, position=False)
    before.load(block)
    expected = value_of(before, ifd, tag)
    assert value_of(clean, ifd, tag) == (expected.strip("\0") if isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("ifd", "tag", "kind", "value"),
    [
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSLatitudeRef, 2, b"N\0"),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSLatitude, 5, struct.pack("<6I", 40, 1, 38, 1, 0, 1)),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSAltitudeRef, 1, b"\1"),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSVersionID, 1, b"\2\3\0\0"),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSDateStamp, 2, b"2024:01:02\0"),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSMapDatum, 2, b"WGS-84\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.OffsetTimeOriginal, 2, b"+02:00\0"),
    ],
)
def test_what_tells_the_place_is_kept_if_asked_for_alone(ifd: int, tag: int, kind: int, value: bytes) -> None:
    block = block_with(ifd, tag, kind, value)
    assert value_of(published(block), ifd, tag) is not None
    assert not published(block, position=False)


@pytest.mark.parametrize(
    ("ifd", "tag", "value"),
    [
        (None, ExifTags.Base.ImageDescription, b"Jane Doe at home\0"),
        (None, ExifTags.Base.Artist, b"Jane Doe\0"),
        (None, ExifTags.Base.Copyright, b"Jane Doe\0"),
        (None, ExifTags.Base.Software, b"Jane's editor\0"),
        (None, ExifTags.Base.HostComputer, b"Jane's phone\0"),
        (None, ExifTags.Base.Make, "Jané\0".encode()),
        (None, ExifTags.Base.Make, b"Jane\nDoe\0"),
        (None, ExifTags.Base.Model, b"J" * 129 + b"\0"),
        (None, ExifTags.Base.DateTime, b"Jane's birthday\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.UserComment, b"ASCII\0\0\0Jane Doe"),
        (ExifTags.IFD.Exif, ExifTags.Base.CameraOwnerName, b"Jane Doe\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.BodySerialNumber, b"123456\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.ImageUniqueID, b"a" * 32 + b"\0"),
        (ExifTags.IFD.Exif, ExifTags.Base.SubsecTime, b"Jane\0"),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSAreaInformation, b"Jane's house\0"),
        (ExifTags.IFD.GPSInfo, ExifTags.GPS.GPSLatitudeRef, b"Jane\0"),
    ],
)
def test_free_text_and_what_links_photos_is_dropped(ifd: int | None, tag: int, value: bytes) -> None:
    assert not published(block_with(ifd, tag, 2, value))


def test_a_number_that_makes_no_sense_is_dropped() -> None:
    for value in (struct.pack("<II", 0, 0), struct.pack("<II", 1, 0), struct.pack("<4I", 1, 2, 3, 4)):
        assert not published(block_with(ExifTags.IFD.Exif, ExifTags.Base.FNumber, 5, value))


@pytest.mark.filterwarnings("ignore")  # Pillow's, about every kind of damage
@pytest.mark.parametrize("kind", MORE_SIZES)
@pytest.mark.parametrize("value", [b"\xff" * 8, b"\0" * 8, b"\1\0\0\0" * 2, b"\0" * 6 + b"\xf8\x7f", b"20:1" * 2])
@pytest.mark.parametrize("ifd", POINTERS)
def test_a_bad_tag_costs_no_other_one(ifd: int, kind: int, value: bytes) -> None:
    make = struct.pack("<HHI4s", ExifTags.Base.Make, 2, 4, b"Lei")
    block = b"Exif\0\0II*\0\x08\0\0\0\2\0" + make + struct.pack("<HHIII", ifd, 4, 1, 38, 0)
    for tag in ExifTags.GPS if ifd == ExifTags.IFD.GPSInfo else ExifTags.Base:
        directory = struct.pack("<HHHIII", 1, tag, kind, 8 // MORE_SIZES[kind], 56, 0)
        assert published(block + directory + value).get(ExifTags.Base.Make) == "Lei", (hex(tag), kind)


def test_the_position_needs_the_other_metadata() -> None:
    with pytest.raises(ValueError, match="keep_metadata"):
        encode_photo(decode_photo(saved(Image.new("L", (4, 4)), "PNG")), file_format="PNG", keep_position=True)


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("with_block", [False, True])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_an_orientation_in_xmp_alone_turns_nothing(file_format: str, with_block: bool) -> None:
    pillow_settings.input_formats()
    options: dict[str, Any] = {"exif": block_with(None, ExifTags.Base.Make, 2, b"Camera\0")} if with_block else {}
    if file_format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif file_format == "TIFF":
        options = {"tiffinfo": {700: XMP} | ({271: "Camera"} if with_block else {})}
    else:
        options["xmp"] = XMP.replace(b'"6"', b'"1"')  # the HEIF encoder would turn the picture itself
    data = saved(Image.fromarray(smooth(24, 40)), file_format, **options).replace(b'tion="1"', b'tion="6"')
    if file_format == "AVIF":
        assert XMP.count(b"Orientation") == data.count(b"Orientation")
    elif file_format != "HEIF":  # its Pillow plugin leaves out the orientation itself
        assert Image.open(io.BytesIO(data)).getexif()[ExifTags.Base.Orientation] == 6
    assert np.abs(decode_photo(data).pixels.astype(int) - smooth(24, 40)).mean() < 4


@pytest.mark.parametrize("name", [b"exif", b"Raw profile type exif"])
def test_an_orientation_in_a_text_of_a_png_turns_nothing(name: bytes) -> None:
    block = block_with(None, ExifTags.Base.Orientation, 3, struct.pack("<H", 6))
    text = block if name == b"exif" else b"\nexif\n%8d\n%s\n" % (len(block), block.hex().encode())
    array = smooth(24, 40)
    data = png_of((40, 24, 8, 2), unfiltered(array), (b"tEXt", name + b"\0" + text))
    assert Image.open(io.BytesIO(data)).getexif()[ExifTags.Base.Orientation] == 6
    photo = decode_photo(data)
    np.testing.assert_array_equal(photo.pixels, array)
    assert photo.exif is None
