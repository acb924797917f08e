"""Every kind of photo and every kind of bad input, each built here as a real file."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import ExifTags, Image, ImageCms, ImageFile, ImageOps, PngImagePlugin, TiffImagePlugin

from deid.errors import CannotWrite, UnreadableImage, UnsupportedFormat
from deid.images import pillow_settings
from deid.images.formats import output_format, suffix_for
from deid.images.photo import Photo, decode_photo, encode_photo, read_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("PNG", "TIFF", "BMP")
WRITTEN = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "BMP")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """(H, W, 3), asymmetric, and kept by lossy encoders within a few levels."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * x / width, 255 * y / height, 60 + 0 * x], axis=-1).astype(np.uint8)


def saved(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


def with_alpha(photo: Photo) -> np.ndarray:
    assert photo.alpha is not None
    return np.dstack([photo.pixels, photo.alpha])


def png_of(header: tuple[int, int, int, int], rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG put together by hand: `header` is width, height, bit depth, color type."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0)), *extra, (b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks) + chunk(b"IEND", b"")


def unfiltered(samples: np.ndarray) -> bytes:
    """PNG rows of (H, ...) big-endian samples, each with filter type 0."""
    return b"".join(b"\0" + row.tobytes() for row in samples)


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode_photo(data)
    message = str(caught.value)
    assert message
    assert "\n" not in message
    assert "<_io" not in message
    return message


# ---------------------------------------------------------------- reading: kinds of pictures


@pytest.mark.parametrize("file_format", [*LOSSLESS, "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_lossless_8_bit_files_are_read_as_they_are(tmp_path: Path, file_format: str, mode: str) -> None:
    if (file_format, mode) == ("GIF", "RGB"):
        pytest.skip("a GIF holds no RGB")
    array = noise(13, 17, 3) if mode == "RGB" else np.arange(256, dtype=np.uint8).reshape(8, 32)
    path = tmp_path / "photo.dat"  # the content decides, not the name
    path.write_bytes(saved(Image.fromarray(array), file_format))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, array)
    assert photo.format == file_format
    assert photo.exact
    assert photo.alpha is None
    assert photo.gray == (mode == "L")
    assert photo.size == (array.shape[1], array.shape[0])
    assert photo.pixels.flags.writeable
    assert photo.pixels.dtype == np.uint8


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "HEIF"])
def test_lossy_files_are_read_closely(file_format: str) -> None:
    array = smooth(40, 56)
    pillow_settings.input_formats()  # registers HEIF
    photo = decode_photo(saved(Image.fromarray(array), file_format, quality=95))
    assert photo.format == file_format
    assert photo.exact
    assert np.abs(photo.pixels.astype(int) - array).mean() < 4


def test_gray_jpeg_stays_gray() -> None:
    photo = decode_photo(saved(Image.fromarray(smooth(20, 30)[..., 0]), "JPEG", quality=95))
    assert photo.pixels.shape == (20, 30)
    assert photo.exact


def test_one_pixel_pictures_are_read() -> None:
    for file_format in WRITTEN:
        photo = decode_photo(encode_photo(Photo(noise(1, 1, 3)), file_format=file_format))
        assert photo.pixels.shape == (1, 1, 3)


def test_rgba_and_la_keep_their_alpha() -> None:
    rgba, la = noise(9, 7, 4), noise(9, 7, 2)
    photo = decode_photo(saved(Image.fromarray(rgba), "PNG"))
    np.testing.assert_array_equal(with_alpha(photo), rgba)
    assert photo.exact
    photo = decode_photo(saved(Image.fromarray(la), "PNG"))
    np.testing.assert_array_equal(with_alpha(photo), la)
    assert photo.gray
    assert photo.exact


def test_transparent_color_of_a_png_becomes_alpha() -> None:
    array = np.full((2, 2, 3), 200, np.uint8)
    array[0, 1] = (1, 2, 3)
    photo = decode_photo(saved(Image.fromarray(array), "PNG", transparency=(1, 2, 3)))
    np.testing.assert_array_equal(photo.pixels, array)
    assert photo.alpha is not None
    assert photo.alpha.tolist() == [[255, 0], [255, 255]]


def test_palette_becomes_rgb_with_and_without_transparency() -> None:
    picture = Image.new("P", (3, 1))
    picture.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.putdata([0, 1, 2])
    for file_format in ("PNG", "GIF", "BMP", "TIFF"):
        photo = decode_photo(saved(picture, file_format))
        assert photo.pixels.tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
        assert photo.alpha is None
        assert not photo.exact
    for file_format, transparency in (("PNG", b"\xff\x00\x80"), ("GIF", 1)):
        photo = decode_photo(saved(picture, file_format, transparency=transparency))
        assert photo.alpha is not None
        assert photo.alpha.tolist() == ([[255, 0, 128]] if file_format == "PNG" else [[255, 0, 255]])


def test_one_bit_becomes_gray() -> None:
    picture = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    for file_format in ("PNG", "TIFF", "BMP"):
        photo = decode_photo(saved(picture, file_format))
        assert photo.pixels.tolist() == [[0, 255], [255, 0]]
        assert not photo.exact


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
    assert original.icc_profile == SRGB
    assert original.exact
    np.testing.assert_array_equal(original.pixels, array)
    assert decode_photo(encode_photo(original, file_format=file_format)).icc_profile == SRGB


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
    assert shallow.icc_profile == bytes(swapped)
    assert shallow.pixels[1, 1].tolist() == [233, 0, 0]


# ---------------------------------------------------------------- reading: orientation and metadata


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG", "WEBP", "HEIF"])
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
        assert ExifTags.Base.Orientation not in Image.open(io.BytesIO(encode_photo_kept(photo))).getexif()


def encode_photo_kept(photo: Photo) -> bytes:
    return encode_photo(photo, file_format="JPEG", keep_metadata=True)


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
    written = encode_photo(photo, file_format=file_format, keep_metadata=True)
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


# ---------------------------------------------------------------- reading: refusals


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(file_format: str) -> None:
    frames = [Image.fromarray(noise(8, 8, 3, seed=i)) for i in range(3)]
    message = refusal(saved(frames[0], file_format, save_all=True, append_images=frames[1:], duration=50))
    assert message.startswith("animated pictures are not supported: ")


def test_multi_page_tiff_is_refused() -> None:
    pages = [Image.fromarray(noise(8, 8, 3, seed=i)) for i in range(2)]
    assert "pages" in refusal(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))


@pytest.mark.parametrize("tag", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_preview_inside_a_camera_raw_file_is_not_taken_for_the_photo(tag: dict[int, Any]) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for number, value in tag.items():
        tags[number] = value
        tags.tagtype[number] = 4 if isinstance(value, int) else 1
    assert "camera raw" in refusal(saved(Image.fromarray(noise(8, 8, 3)), "TIFF", tiffinfo=tags))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_samples_are_refused(mode: str) -> None:
    assert "32 bits" in refusal(saved(Image.new(mode, (4, 4)), "TIFF"))


@pytest.mark.parametrize(
    "data",
    [
        b"hello, this is no picture",
        b"%PDF-1.7\n",
        b"\0" * 100,
        b"<svg/>",
        b"\x7fELF" * 9,
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match="not a picture of a known kind"):
        read_photo(path)


def test_formats_outside_the_list_are_refused() -> None:
    picture = Image.fromarray(noise(8, 8, 3))
    for file_format in ("PPM", "TGA", "ICO", "EPS", "PDF", "PCX", "SGI"):
        assert "known kind" in refusal(saved(picture, file_format))
    assert "AVIF" in refusal(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf" + bytes(100))


def test_empty_missing_folder_and_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    for name, words in {
        "empty.jpg": "empty",
        ".": "folder",
        "missing.jpg": "no such file",
        "dangling.jpg": "no such file",
        "pipe.jpg": "not an ordinary file",
        "loop.jpg": "cannot be read",
        "nul\0byte.jpg": "cannot be read",
        "x" * 300: "cannot be read",
    }.items():
        with pytest.raises(UnreadableImage, match=words):
            read_photo(tmp_path / name)
    with pytest.raises(UnreadableImage, match="empty"):
        decode_photo(b"")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(Image.new("RGB", (2, 2)), "PNG"))

    def denied(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # chmod would not stop a test run by root
    with pytest.raises(UnreadableImage, match="no permission"):
        read_photo(path)


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {"quality": 90}),
        ("JPEG", {"quality": 90, "progressive": True}),
        ("JPEG", {"quality": 90, "subsampling": 0, "exif": b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0"}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "jpeg"}),
        ("BMP", {}),
        ("GIF", {}),
        ("HEIF", {}),
    ],
)
def test_files_cut_short_are_refused_at_every_length(file_format: str, options: dict[str, Any]) -> None:
    pillow_settings.input_formats()
    array = (smooth(48, 64) // 2 + noise(48, 64, 3) // 2).astype(np.uint8)
    data = saved(Image.fromarray(array), file_format, **options)
    whole = decode_photo(data).pixels
    steps = 25 if file_format == "HEIF" else 60
    lengths = {int(n) for n in np.linspace(1, len(data) - 1, steps)} | set(range(len(data) - 24, len(data)))
    for length in sorted(lengths):
        try:
            photo = decode_photo(data[:length])
        except UnreadableImage:
            continue
        # Only bytes behind the last pixel were missing.
        np.testing.assert_array_equal(photo.pixels, whole, err_msg=f"{length} of {len(data)} bytes")
        assert length > 0.9 * len(data)


@pytest.mark.parametrize("level", [0, 6])
def test_damaged_png_data_is_noticed(level: int) -> None:
    array = noise(200, 200, 3)  # several data chunks
    data = saved(Image.fromarray(array), "PNG", compress_level=level)
    for place in np.linspace(60, len(data) - 40, 40).astype(int):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        try:
            photo = decode_photo(bytes(damaged))
        except UnreadableImage as error:
            assert "damaged" in str(error)  # noqa: PT017
        else:  # the bit was in the checksum of a chunk
            np.testing.assert_array_equal(photo.pixels, array)


@settings(max_examples=150)
@given(st.integers(0, 5), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_files_never_raise_anything_else(kind: int, changes: list[tuple[float, int]]) -> None:
    file_format = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")[kind]
    data = bytearray(saved(Image.fromarray(smooth(12, 9)), file_format))
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    try:
        photo = decode_photo(bytes(data))
    except UnreadableImage:
        return
    assert photo.pixels.dtype == np.uint8


@settings(max_examples=60)
@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBPVP8 "]),
    st.binary(max_size=200),
)
def test_garbage_behind_a_true_beginning_is_called_damaged(beginning: bytes, rest: bytes) -> None:
    message = refusal(beginning + rest)
    assert "known kind" not in message


def test_pictures_above_the_limit_are_refused_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    header_only = png_of((20_000, 10_001, 8, 2), b"")
    assert "200,020,000 pixels" in refusal(header_only)
    assert "200,000,000" in refusal(png_of((60_000, 60_000, 8, 2), b""))
    monkeypatch.setattr(pillow_settings, "MAX_PIXELS", 100)
    for file_format in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"):
        assert decode_photo(saved(Image.new("RGB", (10, 10)), file_format)).size == (10, 10)
        assert "110 pixels" in refusal(saved(Image.new("RGB", (10, 11)), file_format))


def test_settings_of_pillow_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    before = Image.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK
    data = saved(Image.fromarray(noise(64, 64, 3)), "JPEG")
    refusal(data[: len(data) // 2])  # refused even where other code has asked Pillow to be lenient
    encode_photo(decode_photo(data), file_format="JPEG")
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hundred_megapixels_fit_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    row = b"\0" + bytes(10_000)
    squeeze = zlib.compressobj(1)
    rows = b"".join(squeeze.compress(row * 1_000) for _ in range(10)) + squeeze.flush()
    del row
    blank = png_of((10_000, 10_000, 8, 3), b"", (b"PLTE", bytes([200, 90, 30] * 2)))
    assert len(blank) < 200
    # The same file with its pixel data put in, compressed piece by piece.
    start = blank.index(b"IDAT") - 4
    idat = b"IDAT" + rows
    end = blank[blank.index(b"IEND") - 4 :]
    path.write_bytes(blank[:start] + struct.pack(">I", len(rows)) + idat + struct.pack(">I", zlib.crc32(idat)) + end)
    script = (
        "import re, sys; from pathlib import Path; from deid.images.photo import read_photo\n"
        "photo = read_photo(Path(sys.argv[1]))\n"
        "assert photo.pixels.shape == (10_000, 10_000, 3) and tuple(photo.pixels[-1, -1]) == (200, 90, 30)\n"
        # Not getrusage: its maximum is inherited from the process that started this one.
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1_000_000  # kilobytes


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder) -> None:
    data = saved(Image.fromarray(noise(64, 64, 3)), "JPEG")
    refusal(data[:800])
    refusal(b"no picture at all")
    encode_photo(Photo(noise(600, 600, 3)), file_format="JPEG", quality=100)
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


# ---------------------------------------------------------------- writing


def test_shapes_and_alpha_after_each_format() -> None:
    rgb, gray, alpha = smooth(24, 30), smooth(24, 30)[..., 0], smooth(24, 30)[..., 1]
    for file_format in WRITTEN:
        for pixels in (rgb, gray):
            for mask in (None, alpha):
                photo = decode_photo(encode_photo(Photo(pixels, mask), file_format=file_format))
                keeps_alpha = file_format in ("PNG", "WEBP", "TIFF", "HEIF")
                keeps_gray = file_format != "WEBP" and not (file_format == "HEIF" and mask is not None)
                assert photo.format == file_format
                assert photo.gray == (pixels.ndim == 2 and keeps_gray)
                assert (photo.alpha is not None) == (mask is not None and keeps_alpha)
                if mask is None:
                    shown = photo.pixels if photo.gray or pixels.ndim == 3 else photo.pixels[..., 0]
                    assert np.abs(shown.astype(int) - pixels).mean() < 3


def small_photos() -> st.SearchStrategy[Photo]:
    def photo_of(shape: tuple[int, int]) -> st.SearchStrategy[Photo]:
        plane = hnp.arrays(np.uint8, shape)
        color = hnp.arrays(np.uint8, (*shape, 3))
        return st.builds(Photo, pixels=plane | color, alpha=st.none() | plane)

    return st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(photo_of)


@settings(max_examples=80)
@given(photo=small_photos(), file_format=st.sampled_from(["PNG", "TIFF"]))
def test_lossless_round_trips_are_bit_identical(photo: Photo, file_format: str) -> None:
    again = decode_photo(encode_photo(photo, file_format=file_format))
    np.testing.assert_array_equal(again.pixels, photo.pixels)
    assert (again.alpha is None) == (photo.alpha is None)
    if photo.alpha is not None:
        np.testing.assert_array_equal(again.alpha, photo.alpha)
    assert again.exact


@settings(max_examples=40)
@given(photo=small_photos(), file_format=st.sampled_from(["JPEG", "WEBP", "BMP"]))
def test_lossy_round_trips_keep_the_size(photo: Photo, file_format: str) -> None:
    again = decode_photo(encode_photo(photo, file_format=file_format))
    assert again.size == photo.size
    if file_format == "BMP" and photo.alpha is None:
        np.testing.assert_array_equal(again.pixels, photo.pixels)


@pytest.mark.parametrize("file_format", ["JPEG", "BMP"])
def test_alpha_is_laid_on_white_where_it_cannot_be_kept(file_format: str) -> None:
    pixels = np.zeros((16, 32, 3), np.uint8)
    alpha = np.zeros((16, 32), np.uint8)
    alpha[:, 16:] = 255
    photo = decode_photo(encode_photo(Photo(pixels, alpha), file_format=file_format))
    assert photo.alpha is None
    assert photo.pixels[:, :15].min() > 245
    assert photo.pixels[:, 17:].max() < 10


def test_jpeg_is_444_at_quality_95_and_holds_noise() -> None:
    data = encode_photo(Photo(noise(300, 500, 3)), file_format="JPEG")
    picture = Image.open(io.BytesIO(data))
    assert getattr(picture, "layer", None) is not None
    assert {layer[1:3] for layer in picture.layer} == {(1, 1)}  # type: ignore[attr-defined]
    same = saved(Image.fromarray(noise(8, 8, 3)), "JPEG", quality=95, subsampling=0)
    assert picture.quantization == Image.open(io.BytesIO(same)).quantization  # type: ignore[attr-defined]
    assert len(encode_photo(Photo(noise(300, 500, 3)), file_format="JPEG", quality=50)) < len(data)
    encode_photo(Photo((noise(700, 700, 3) > 127).astype(np.uint8) * 255), file_format="JPEG", quality=100)


def test_what_a_format_cannot_hold_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="16,383 pixels a side"):
        encode_photo(Photo(np.zeros((1, 16_384), np.uint8)), file_format="WEBP")
    with pytest.raises(UnsupportedFormat, match="65,500"):
        encode_photo(Photo(np.zeros((65_501, 1), np.uint8)), file_format="JPEG")
    with pytest.raises(UnsupportedFormat, match="GIF"):
        encode_photo(Photo(noise(2, 2, 3)), file_format="GIF")
    with pytest.raises(CannotWrite, match="cannot be encoded as PNG"):
        encode_photo(Photo(np.zeros((0, 4, 3), np.uint8)), file_format="PNG")
    for quality in (0, 101):
        with pytest.raises(ValueError, match="quality"):
            encode_photo(Photo(noise(2, 2, 3)), file_format="JPEG", quality=quality)


def test_no_heif_encoder_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_settings.input_formats()
    monkeypatch.delitem(Image.SAVE, "HEIF")
    with pytest.raises(UnsupportedFormat, match="HEIC files cannot be written"):
        encode_photo(Photo(noise(2, 2, 3)), file_format="HEIF")


def test_output_format_goes_by_suffix_then_by_input() -> None:
    photo = Photo(noise(2, 2, 3), format="JPEG")
    for name, file_format in {
        "a.jpg": "JPEG",
        "a.JPEG": "JPEG",
        "a.Png": "PNG",
        "a.webp": "WEBP",
        "a.TIF": "TIFF",
        "a.tiff": "TIFF",
        "a.heic": "HEIF",
        "a.bmp": "BMP",
        "no_suffix": "JPEG",
    }.items():
        assert output_format(photo.format, Path(name)) == file_format
    assert output_format(photo.format) == "JPEG"
    assert output_format("GIF") == "PNG"
    for name in ("a.gif", "a.xyz", "a.pdf"):
        with pytest.raises(UnsupportedFormat, match=r"known suffixes: \.jpg .*\.bmp"):
            output_format(photo.format, Path(name))


def test_suffix_for_leads_back_to_its_format() -> None:
    for file_format in WRITTEN:
        assert output_format("PNG", Path("a" + suffix_for(file_format))) == file_format
    with pytest.raises(UnsupportedFormat):
        suffix_for("GIF")
