"""What a file says about its pixels: depth, color profile, orientation, EXIF; each built here as a real file."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
import pytest
from images.picture_files import SRGB, WRITTEN, noise, png_of, saved, smooth, unfiltered, with_alpha
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin, TiffImagePlugin

from deid.images import pillow_settings
from deid.images.icc import rebuilt_profile
from deid.images.photo import decode_photo, encode_photo


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_gray_is_scaled_not_clipped(file_format: str) -> None:
    deep = np.array([[0, 128, 129, 257, 30_000, 65_535]], np.uint16)
    photo = decode_photo(saved(Image.fromarray(deep), file_format))
    assert photo.pixels.tolist() == [[0, 0, 1, 1, 117, 255]]
    assert not photo.exact


def test_16_bit_tiff_with_white_as_zero_is_not_a_negative() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    data = bytearray(saved(Image.fromarray(np.array([[0, 65_535]], np.uint16)), "TIFF", tiffinfo=tags))
    entry = data.index(struct.pack("<HHI", 262, 3, 1))
    data[entry + 8 : entry + 10] = struct.pack("<H", 0)
    assert decode_photo(bytes(data)).pixels.tolist() == [[255, 0]]


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (6, 4), (4, 2)])
def test_16_bit_color_and_alpha_png(color_type: int, channels: int) -> None:
    deep = np.random.default_rng(1).integers(0, 65_536, (5, 4, channels)).astype(">u2")
    photo = decode_photo(png_of((4, 5, 16, color_type), unfiltered(deep)))
    expected = deep.astype(float) * 255 / 65_535
    color = expected[..., 0] if channels == 2 else expected[..., :3]
    assert photo.pixels.shape == color.shape  # gray with alpha stays gray
    assert np.abs(photo.pixels - color).max() < 1.01
    assert not photo.exact
    if channels == 3:
        assert photo.alpha is None
    else:
        assert photo.alpha is not None
        assert np.abs(photo.alpha - expected[..., -1]).max() < 1.01


def test_16_bit_transparent_color_does_not_punch_holes() -> None:
    deep = np.array([[[1, 2, 3], [0, 0, 0]]], ">u2")
    photo = decode_photo(png_of((2, 1, 16, 2), unfiltered(deep), (b"tRNS", bytes(6))))
    assert photo.alpha is None


def test_4_bit_gray_png_spans_the_full_range() -> None:
    photo = decode_photo(png_of((4, 1, 4, 0), b"\x00\x0f\x7a"))
    assert photo.pixels.tolist() == [[0, 255, 119, 170]]
    assert not photo.exact


def test_cmyk_jpeg_becomes_rgb() -> None:
    colors = Image.new("RGB", (48, 16), "white")
    colors.paste((230, 40, 30), (16, 0, 32, 16))
    colors.paste((0, 0, 0), (32, 0, 48, 16))
    photo = decode_photo(saved(colors.convert("CMYK"), "JPEG", quality=95))
    assert photo.format == "JPEG"
    assert not photo.exact
    assert photo.icc_profile is None
    for x, color in ((8, (255, 255, 255)), (24, (230, 40, 30)), (40, (0, 0, 0))):
        assert np.abs(photo.pixels[8, x].astype(int) - color).max() < 8


def test_a_profile_that_does_not_fit_is_not_written_again() -> None:
    data = saved(Image.new("CMYK", (8, 8), (0, 200, 200, 0)), "JPEG", icc_profile=SRGB)
    photo = decode_photo(data)
    assert photo.icc_profile is None
    assert photo.pixels[4, 4, 0] > 200
    for profile in (b"nonsense", SRGB[:200]):
        assert decode_photo(saved(Image.new("RGB", (4, 4)), "PNG", icc_profile=profile)).icc_profile is None


def test_lab_tiff_becomes_srgb() -> None:
    red = Image.new("RGB", (8, 8), (200, 30, 40))
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    picture = ImageCms.profileToProfile(red, srgb, lab, outputMode="LAB")
    assert picture is not None
    photo = decode_photo(saved(picture, "TIFF"))
    assert not photo.exact
    assert np.abs(photo.pixels[4, 4].astype(int) - (200, 30, 40)).max() <= 4


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_rgb_profile_is_kept_with_pixels_untouched(file_format: str) -> None:
    array = smooth(20, 24)
    original = decode_photo(saved(Image.fromarray(array), "PNG", icc_profile=SRGB))
    assert original.icc_profile == rebuilt_profile(SRGB) is not None
    assert original.exact
    np.testing.assert_array_equal(original.pixels, array)
    assert decode_photo(encode_photo(original, file_format=file_format)).icc_profile == original.icc_profile


def test_deep_picture_with_a_profile_is_converted_and_the_profile_dropped() -> None:
    # The profile's red and blue primaries are exchanged, so a conversion cannot go unnoticed.
    swapped = bytearray(SRGB)
    count = struct.unpack(">I", swapped[128:132])[0]
    entries = [132 + 12 * i for i in range(count)]
    at = {bytes(swapped[e : e + 4]): e for e in entries}
    red, blue = at[b"rXYZ"], at[b"bXYZ"]
    swapped[red : red + 4], swapped[blue : blue + 4] = b"bXYZ", b"rXYZ"
    iccp = b"icc\0\0" + zlib.compress(bytes(swapped))
    deep = np.full((3, 3, 3), (60_000, 0, 0), ">u2")
    photo = decode_photo(png_of((3, 3, 16, 2), unfiltered(deep), (b"iCCP", iccp)))
    assert photo.icc_profile is None
    assert photo.pixels[1, 1].argmax() == 2
    shallow = decode_photo(saved(Image.new("RGB", (3, 3), (233, 0, 0)), "PNG", icc_profile=bytes(swapped)))
    assert shallow.icc_profile == rebuilt_profile(bytes(swapped)) is not None
    assert shallow.pixels[1, 1].tolist() == [233, 0, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "WEBP", "HEIF", "AVIF"])
def test_orientation_is_applied(orientation: int, file_format: str) -> None:
    pillow_settings.input_formats()
    array = smooth(24, 40)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = saved(Image.fromarray(array), file_format, exif=exif.tobytes())
    photo = decode_photo(data)
    turned = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(photo.pixels, turned)
    # An oracle of its own: where the dark upper left corner goes, by the table of the EXIF standard.
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    assert photo.pixels.shape[:2] == ((24, 40) if orientation < 5 else (40, 24))
    assert photo.pixels[corner[orientation]][:2].max() < 40
    if photo.exif is not None:
        written = encode_photo(photo, file_format="JPEG", keep_metadata=True)
        assert ExifTags.Base.Orientation not in Image.open(io.BytesIO(written)).getexif()


def test_orientation_turns_the_alpha_too() -> None:
    array = noise(3, 5, 4)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    photo = decode_photo(saved(Image.fromarray(array), "PNG", exif=exif))
    np.testing.assert_array_equal(with_alpha(photo), np.rot90(array, -1))


@pytest.mark.parametrize("orientation", [0, 9, 60_000])
def test_senseless_orientation_means_upright(orientation: Any) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    array = noise(3, 5, 3)
    np.testing.assert_array_equal(decode_photo(saved(Image.fromarray(array), "PNG", exif=exif)).pixels, array)


def test_broken_exif_does_not_stop_a_photo() -> None:
    array = smooth(16, 16)
    for block in (
        b"Exif\0\0nonsense",
        b"Exif\0\0MM\0\x2a\xff\xff\xff\xff",
        b"Exif\0\0II\x2a\0\x08\0\0\0\xff\xff",
    ):
        photo = decode_photo(saved(Image.fromarray(array), "JPEG", exif=block))
        assert photo.pixels.shape == array.shape
        assert photo.exif is None


def photo_with_metadata(array: np.ndarray) -> bytes:
    """A JPEG as a phone writes it: GPS, camera, maker's note, orientation, thumbnail, XMP, comment."""
    thumbnail = saved(Image.fromarray(array).resize((16, 16)), "JPEG")
    ifd0: dict[int, Any] = {271: "Maker", 272: "Model 5", 274: 6, 0x02BC: b"<private-xmp/>"}
    exif = Image.Exif()
    for tag, value in ifd0.items():
        exif[tag] = value
    exif[ExifTags.IFD.Exif] = {36867: "2024:01:02 03:04:05", 37500: b"MAKERNOTE" + thumbnail, 40962: 99}
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (40.0, 38.0, 0.0), 3: "E", 4: (22.0, 56.0, 0.0)}
    block = exif.tobytes()
    # Pillow does not write a thumbnail: link a second directory behind the first one by hand.
    tiff = bytearray(block[6:])
    order = "<" if tiff[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", tiff, 4)[0]
    count = struct.unpack_from(order + "H", tiff, first)[0]
    start = len(tiff)
    struct.pack_into(order + "I", tiff, first + 2 + 12 * count, start)
    ifd1 = struct.pack(order + "H", 2)
    ifd1 += struct.pack(order + "HHII", 0x0201, 4, 1, start + 2 + 24 + 4)
    ifd1 += struct.pack(order + "HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    block = b"Exif\0\0" + bytes(tiff) + ifd1 + thumbnail
    xmp = b"<x:xmpmeta>secret place</x:xmpmeta>"
    return saved(Image.fromarray(array), "JPEG", exif=block, xmp=xmp, comment=b"a private comment")


def test_metadata_is_dropped_by_default() -> None:
    data = photo_with_metadata(smooth(32, 48))
    assert data.count(b"\xff\xd8\xff") == 3  # the picture, the thumbnail, the one in the maker's note
    assert Image.open(io.BytesIO(data)).getexif().get_ifd(ExifTags.IFD.IFD1)
    photo = decode_photo(data)
    assert photo.pixels.shape == (48, 32, 3)
    for file_format in WRITTEN:
        written = encode_photo(photo, file_format=file_format)
        picture = Image.open(io.BytesIO(written))
        if file_format != "TIFF":  # the tags of a TIFF are its EXIF: width, height, ...
            assert not picture.getexif()
        assert not picture.getexif().get_ifd(ExifTags.IFD.GPSInfo)
        for secret in (b"Maker", b"Model 5", b"MAKERNOTE", b"secret", b"private", b"2024:01"):
            assert secret not in written


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_kept_metadata_has_gps_but_no_thumbnail_and_no_orientation(file_format: str) -> None:
    photo = decode_photo(photo_with_metadata(smooth(32, 48)))
    assert photo.exif is not None
    assert b"\xff\xd8\xff" not in photo.exif
    written = encode_photo(photo, file_format=file_format, keep_metadata=True, keep_position=True)
    exif = Image.open(io.BytesIO(written)).getexif()
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[2] == (40.0, 38.0, 0.0)
    assert exif[ExifTags.Base.Model] == "Model 5"
    assert exif.get_ifd(ExifTags.IFD.Exif)[36867] == "2024:01:02 03:04:05"
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    assert not exif.get_ifd(ExifTags.IFD.IFD1)
    for secret in (b"MAKERNOTE", b"secret", b"private"):
        assert secret not in written
    again = decode_photo(written)
    assert again.pixels.shape == (48, 32, 3)
    assert again.exif is not None


def test_png_texts_are_dropped() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "private name")
    photo = decode_photo(saved(Image.fromarray(noise(4, 4, 3)), "PNG", pnginfo=info))
    assert b"private" not in encode_photo(photo, file_format="PNG", keep_metadata=True)


def test_mpo_is_its_first_picture() -> None:
    first, second = Image.fromarray(smooth(32, 40)), Image.new("RGB", (32, 40), "magenta")
    data = saved(first, "MPO", save_all=True, append_images=[second], quality=95)
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 2
    photo = decode_photo(data)
    assert photo.format == "JPEG"
    assert photo.exact
    assert np.abs(photo.pixels.astype(int) - smooth(32, 40)).mean() < 4
    assert getattr(Image.open(io.BytesIO(encode_photo(photo, file_format="JPEG"))), "n_frames", 1) == 1


def test_heif_of_several_pictures_is_its_primary_one() -> None:
    file = io.BytesIO()
    several = pillow_heif.from_pillow(Image.new("RGB", (50, 40), "red"))
    several.add_from_pillow(Image.new("RGB", (30, 20), "blue"))
    several.save(file, quality=95, primary_index=1)
    photo = decode_photo(file.getvalue())
    assert photo.size == (30, 20)
    assert photo.pixels[10, 10, 2] > 250


def test_10_bit_heif_is_not_exact() -> None:
    deep = smooth(32, 40).astype(np.uint16) * 257
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (40, 32), deep.tobytes()).save(file, quality=95)
    photo = decode_photo(file.getvalue())
    assert not photo.exact
    assert np.abs(photo.pixels.astype(int) - smooth(32, 40)).mean() < 4
