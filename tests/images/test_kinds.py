"""What a file is, by its first bytes and by its name."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deid.images.kinds import RAW, Kind, kind_of, kind_of_bytes


def encoded(file_format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, file_format)
    return file.getvalue()


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000"])
def test_what_pillow_writes_is_known_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    path = tmp_path / "IMG_5"
    path.write_bytes(encoded(name))
    found = kind_of(path)
    assert found is not None
    assert found.format == name


def test_what_pillow_heif_writes_is_known() -> None:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (16, 16))).save(file)
    assert kind_of_bytes(file.getvalue()) == Kind("HEIC", "HEIF")


@pytest.mark.parametrize(
    ("major", "others", "name"),
    [(b"avif", [], "AVIF"), (b"mif1", [b"heic"], "HEIC"), (b"mif1", [b"miaf", b"avif"], "AVIF"), (b"mif1", [], "HEIC"),
     (b"crx ", [], "camera raw"), (b"isom", [b"mp41"], None), (b"qt  ", [], None)],
)  # fmt: skip
def test_brands_tell_a_picture_from_a_film(major: bytes, others: list[bytes], name: str | None) -> None:
    size = 16 + 4 * len(others)
    data = size.to_bytes(4, "big") + b"ftyp" + major + bytes(4) + b"".join(others) + b"avif"  # the last is outside
    found = kind_of_bytes(data)
    assert (found.name if found else None) == name


def test_of_a_tiff_its_name_tells_whether_it_is_a_raw_file(tmp_path: Path) -> None:
    for name, kind in (("a.dng", RAW), ("a.DNG", RAW), ("a", Kind("TIFF", "TIFF")), ("a.scan", Kind("TIFF", "TIFF"))):
        (tmp_path / name).write_bytes(encoded("TIFF"))
        assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize(("name", "known"), [("a.dng", True), ("a.jxl", True), ("a.txt", False), ("a", False)])
def test_of_an_empty_file_its_name_alone_tells(tmp_path: Path, name: str, known: bool) -> None:
    (tmp_path / name).touch()
    assert (kind_of(tmp_path / name) is not None) == known


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_text_is_no_picture(text: str) -> None:
    for start in ("BM", "P2 ", "II", "MM", "RIFF"):
        assert kind_of_bytes(f"{start}{text}".encode()) is None


@given(st.binary(max_size=64))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    for start in (b"", b"\0\0\0\x10ftyp", b"BM", b"II*\0", b"\xff\xff\xff\xffftypmif1"):
        found = kind_of_bytes(start + data)
        assert found is None or found.name
