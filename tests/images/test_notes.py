"""What reading a file loses is said, and only then."""

import io

import numpy as np
import pytest
from images.picture_files import noise, saved, smooth
from PIL import Image

from deid.images import pillow_settings
from deid.images.notes import GAIN_MAP, is_lossless_webp
from deid.images.photo import decode_photo, encode_photo

ADOBE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/></rdf:RDF></x:xmpmeta>'
)
PHOTO, MAP = Image.fromarray(smooth(32, 40)), Image.fromarray(noise(16, 20))


def test_a_gain_map_is_removed_and_said() -> None:
    second = saved(MAP, "JPEG", quality=90)
    data = saved(PHOTO, "MPO", save_all=True, append_images=[MAP.convert("RGB")], xmp=ADOBE) + second
    photo = decode_photo(data)
    assert photo.notes == (GAIN_MAP,)
    assert photo.format == "JPEG"
    written = encode_photo(photo, file_format="JPEG")
    assert written.count(b"\xff\xd8\xff") == 1
    assert b"hdr-gain-map" not in written
    assert decode_photo(written).notes == ()


@pytest.mark.parametrize("mark", [b"urn:iso:std:iso:ts:21496:-1\0", b"http://ns.apple.com/HDRGainMap/1.0/ HDRGainMap:"])
def test_it_is_known_wherever_in_the_file_it_says_so(mark: bytes) -> None:
    data = saved(PHOTO, "JPEG")
    for gap in (0, (1 << 22) - len(data) - 5):  # also across two pieces
        assert decode_photo(data + bytes(gap) + mark).notes == (GAIN_MAP,)


def test_ordinary_files_need_no_word() -> None:
    pillow_settings.input_formats()
    for file_format in ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF", "JPEG2000", "BMP", "GIF"):
        assert decode_photo(saved(PHOTO, file_format)).notes == (), file_format
    assert decode_photo(saved(PHOTO, "MPO", save_all=True, append_images=[PHOTO])).notes == ()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG2000"])
def test_more_than_8_bits_are_said(file_format: str) -> None:
    deep = np.arange(0, 65_536, 256, np.uint16).reshape(16, 16)
    photo = decode_photo(saved(Image.fromarray(deep), file_format))
    assert photo.notes == ("its 16 bits a sample became 8",)
    assert not photo.exact
    assert np.abs(photo.pixels - deep / 257).max() <= 1


def test_a_lossless_webp_stays_lossless() -> None:
    array = noise(30, 20, 3)
    for options in ({}, {"icc_profile": b"", "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}):
        photo = decode_photo(saved(Image.fromarray(array), "WEBP", lossless=True, **options))
        assert photo.lossless
        written = encode_photo(photo, file_format="WEBP")
        np.testing.assert_array_equal(decode_photo(written).pixels, array)
        assert is_lossless_webp(written)
        assert not is_lossless_webp(encode_photo(photo, file_format="WEBP", quality=90))  # as asked
    assert not decode_photo(saved(Image.fromarray(array), "WEBP", quality=100)).lossless
    assert not is_lossless_webp(b"RIFF\0\0\0\0WEBPVP8X\xff\xff\xff\xff")
    assert not is_lossless_webp(io.BytesIO(b"RIFF").read())
