from pathlib import Path

import pytest
from images.picture_files import WRITTEN

from deid.errors import UnsupportedFormat
from deid.images.formats import output_format, output_suffix, picture_suffixes, suffix_for, writable_suffixes


def test_output_format_goes_by_suffix_then_by_input() -> None:
    for name, file_format in {
        "a.jpg": "JPEG",
        "a.JPEG": "JPEG",
        "a.Png": "PNG",
        "a.webp": "WEBP",
        "a.TIF": "TIFF",
        "a.tiff": "TIFF",
        "a.heic": "HEIF",
        "a.bmp": "BMP",
        "a.avif": "AVIF",
        "a.heics": "HEIF",
        "a.pjpeg": "JPEG",
        "no_suffix": "JPEG",
    }.items():
        assert output_format("JPEG", Path(name)) == file_format
    assert output_format("JPEG") == "JPEG"
    for read, written in {"GIF": "PNG", "JPEG2000": "PNG", "MPO": "JPEG", "AVIF": "AVIF"}.items():
        assert output_format(read) == written
    for name in ("a.gif", "a.xyz", "a.pdf", "a.jp2", "a.mpo"):
        with pytest.raises(UnsupportedFormat, match=r"known suffixes: \.jpg .*\.bmp"):
            output_format("JPEG", Path(name))


def test_suffix_for_leads_back_to_its_format() -> None:
    for file_format in WRITTEN:
        assert output_format("PNG", Path("a" + suffix_for(file_format))) == file_format
    with pytest.raises(UnsupportedFormat):
        suffix_for("GIF")


def test_a_photo_keeps_its_suffix_where_such_files_are_written() -> None:
    for name, source_format, suffix in (
        ("a.JPG", None, ".JPG"),
        ("a.avif", None, ".avif"),
        ("a.gif", None, ".png"),
        ("a.JP2", None, ".png"),
        ("a.MPO", None, ".jpg"),
        ("a.mpo", "JPEG", ".jpg"),
        ("a", "JPEG", ".jpg"),
        ("a.jpg_large", "JPEG", ".jpg"),
        ("a.bin", "JPEG2000", ".png"),
        ("a.bin", None, ".bin"),
    ):
        assert output_suffix(Path(name), source_format) == suffix
    assert picture_suffixes() - writable_suffixes() >= {".gif", ".jp2", ".mpo"}
