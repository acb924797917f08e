from pathlib import Path

import pytest
from images.picture_files import WRITTEN

from deid.errors import UnsupportedFormat
from deid.images.formats import output_format, suffix_for


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
        "no_suffix": "JPEG",
    }.items():
        assert output_format("JPEG", Path(name)) == file_format
    assert output_format("JPEG") == "JPEG"
    assert output_format("GIF") == "PNG"
    for name in ("a.gif", "a.xyz", "a.pdf"):
        with pytest.raises(UnsupportedFormat, match=r"known suffixes: \.jpg .*\.bmp"):
            output_format("JPEG", Path(name))


def test_suffix_for_leads_back_to_its_format() -> None:
    for file_format in WRITTEN:
        assert output_format("PNG", Path("a" + suffix_for(file_format))) == file_format
    with pytest.raises(UnsupportedFormat):
        suffix_for("GIF")
