"""Every kind of photo, read from a real file built here and written again."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from images.picture_files import LOSSLESS, WRITTEN, noise, saved, smooth, with_alpha
from PIL import Image

from deid.errors import CannotWrite, UnsupportedFormat
from deid.images import pillow_settings
from deid.images.photo import Photo, as_seen, decode_photo, encode_photo, read_photo


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


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "HEIF", "AVIF"])
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


def test_shapes_and_alpha_after_each_format() -> None:
    rgb, gray, alpha = smooth(24, 30), smooth(24, 30)[..., 0], smooth(24, 30)[..., 1]
    for file_format in WRITTEN:
        for pixels in (rgb, gray):
            for mask in (None, alpha):
                photo = decode_photo(encode_photo(Photo(pixels, mask), file_format=file_format))
                keeps_alpha = file_format in ("PNG", "WEBP", "TIFF", "HEIF", "AVIF")
                keeps_gray = file_format not in ("WEBP", "AVIF") and not (file_format == "HEIF" and mask is not None)
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


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3)])
def test_what_programs_show_of_a_transparent_photo(shape: tuple[int, ...]) -> None:
    pixels, opaque = np.full(shape, 100, np.uint8), np.full((4, 6), 255, np.uint8)
    for alpha in (None, opaque):
        ((background, seen),) = as_seen(Photo(pixels, alpha)).items()
        assert (background, seen is pixels) == ("", True)
    alpha = opaque.copy()
    alpha[:, 3:], alpha[0, 0] = 0, 128
    seen = as_seen(Photo(pixels, alpha))
    assert list(seen) == ["", " on white", " on black"]
    for background, color in ((" on white", 255), (" on black", 0)):
        assert seen[background].shape == shape
        assert (seen[background][:, 3:] == color).all()
        assert (seen[background][1:, :3] == 100).all()
        assert np.abs(seen[background][0, 0].astype(float) - (100 * 128 + color * 127) / 255).max() <= 1


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
