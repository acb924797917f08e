"""Bad input of every kind: refused in one line, never shown half gray, never a crash."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images.picture_files import noise, png_of, refusal, saved, smooth
from PIL import Image, ImageFile, TiffImagePlugin

from deid.errors import UnreadableImage
from deid.images import pillow_settings
from deid.images.photo import Photo, decode_photo, encode_photo, read_photo


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
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
    assert "AVIF" in refusal(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B" + bytes(100))


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
        ("AVIF", {"speed": 10}),
        ("JPEG2000", {}),
        ("JPEG2000", {"no_jp2": True}),
    ],
)
def test_files_cut_short_are_refused_at_every_length(file_format: str, options: dict[str, Any]) -> None:
    pillow_settings.input_formats()
    array = (smooth(48, 64) // 2 + noise(48, 64, 3) // 2).astype(np.uint8)
    data = saved(Image.fromarray(array), file_format, **options)
    whole = decode_photo(data).pixels
    steps = 25 if file_format in ("HEIF", "AVIF") else 60
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


def test_texts_that_swell_are_the_reason() -> None:
    bomb = b"c\0\0" + zlib.compress(bytes(10_000_000), 9)
    assert "texts" in refusal(png_of((1, 1, 8, 0), b"\0\0", (b"zTXt", bomb)))
