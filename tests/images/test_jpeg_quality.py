import io

import pytest
from images.picture_files import noise, saved
from PIL import Image

from deid.images.jpeg_quality import jpeg_quality
from deid.images.photo import decode_photo, encode_photo


def quality_of(data: bytes) -> int | None:
    return jpeg_quality(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_it_is_the_one_that_a_file_was_saved_with(mode: str) -> None:
    for quality in range(30, 101):  # below, tables are cut off at 255
        assert quality_of(saved(Image.new(mode, (8, 8)), "JPEG", quality=quality)) == quality


def test_other_tables_count_as_the_lowest_quality_that_is_as_fine() -> None:
    tables = [[2] * 64, [2] * 64]
    quality = quality_of(saved(Image.new("RGB", (8, 8)), "JPEG", qtables=tables))
    assert quality is not None
    for number, fine in ((quality, True), (quality - 1, False)):
        ours = Image.open(io.BytesIO(saved(Image.new("RGB", (8, 8)), "JPEG", quality=number))).quantization  # type: ignore[attr-defined]
        assert all(sum(ours[i]) <= 128 for i in (0, 1)) == fine
    assert quality_of(saved(Image.new("RGB", (8, 8)), "JPEG", qtables=[[1] * 64] * 2)) == 100
    assert quality_of(saved(Image.new("RGB", (8, 8)), "PNG")) is None


@pytest.mark.parametrize(("source", "written"), [(60, 95), (95, 95), (98, 98), (100, 100)])
def test_a_photo_is_written_at_the_larger_of_95_and_its_own(source: int, written: int) -> None:
    photo = decode_photo(saved(Image.fromarray(noise(24, 24, 3)), "JPEG", quality=source))
    assert photo.quality == source
    data = encode_photo(photo, file_format="JPEG")
    assert quality_of(data) == written
    assert {layer[1:3] for layer in Image.open(io.BytesIO(data)).layer} == {(1, 1)}  # type: ignore[attr-defined]
    assert quality_of(encode_photo(photo, file_format="JPEG", quality=70)) == 70
