"""The boxes of AVIF, HEIC and JPEG 2000 files, whole and damaged."""

import io

import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images.picture_files import saved, smooth
from PIL import Image

from deid.images import pillow_settings
from deid.images.boxes import depth_in, is_avif, properties_of
from deid.images.photo import decode_photo

pillow_settings.input_formats()  # registers HEIF
PICTURE = Image.fromarray(smooth(16, 24))
ALPHA = PICTURE.convert("RGBA")
FILES = {name: saved(ALPHA, name) for name in ("AVIF", "HEIF")} | {"JPEG2000": saved(PICTURE, "JPEG2000")}


def test_the_main_picture_is_described_and_not_its_alpha() -> None:
    for name, code in (("AVIF", b"nclx"), ("HEIF", b"nclx"), ("JPEG2000", b"\1\0\0\0")):
        colors = [content for kind, content in properties_of(FILES[name]) if kind == b"colr"]
        assert [content[:4] for content in colors] == [code]
    assert is_avif(FILES["AVIF"])
    assert not any(is_avif(FILES[name]) for name in ("HEIF", "JPEG2000"))


def test_depth_is_what_the_file_has() -> None:
    assert [depth_in(data) for data in FILES.values()] == [8, 8, 8]
    deep = pillow_heif.from_bytes(mode="RGB;16", size=(16, 16), data=bytes(16 * 16 * 6))
    with io.BytesIO() as file:
        deep.save(file)
        assert depth_in(file.getvalue()) == 10
    gray = Image.new("I;16", (16, 16))
    assert depth_in(saved(gray, "JPEG2000")) == depth_in(saved(gray, "JPEG2000", no_jp2=True)) == 16


@pytest.mark.parametrize("brands", [b"mif1\0\0\0\0mif1avifmiaf", b"avif\0\0\0\0avifmif1miaf"])
def test_an_avif_by_either_first_name_is_read(brands: bytes) -> None:
    data = FILES["AVIF"]
    assert decode_photo(data[:8] + brands + data[8 + len(brands) :]).format == "AVIF"


@settings(max_examples=60)
@given(name=st.sampled_from(sorted(FILES)), data=st.data())
def test_damage_never_raises(name: str, data: st.DataObject) -> None:
    file = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(0, min(len(file), 600) - 1))] = data.draw(st.integers(0, 255))
    head = bytes(file[: data.draw(st.integers(0, len(file)))])
    properties_of(head)
    is_avif(head)
    assert 0 < depth_in(head) < 256
