"""Colors that files describe in other words than an ICC profile: what is written shows the same as sRGB would."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images.picture_files import SRGB, noise, png_of, saved, smooth, unfiltered
from PIL import Image, ImageCms, TiffImagePlugin

from deid.images import pillow_settings
from deid.images.described import Colors, profile_of
from deid.images.photo import Photo, decode_photo, encode_photo

P3_CHROMATICITIES = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.329)
P3 = Colors(P3_CHROMATICITIES)
TRUE = smooth(24, 32) // 2 + 60  # sRGB; muted enough for every space here
# Linear sRGB in linear Display P3 (CSS Color 4).
TO_P3 = np.array([[0.8224621, 0.177538, 0], [0.0331941, 0.9668058, 0], [0.0170827, 0.0723974, 0.9105199]])
CHRM = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def light_of(samples: np.ndarray) -> np.ndarray:
    a = samples / 255
    return np.where(a <= 0.04045, a / 12.92, ((a + 0.055) / 1.055) ** 2.4)


def samples_in(space: np.ndarray, exponent: float | None, top: int = 255) -> np.ndarray:
    light = light_of(TRUE) @ space.T
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(top * (encoded if exponent is None else light ** (1 / exponent)))


P3_SAMPLES = samples_in(TO_P3, None).astype(np.uint8)
P3_GAMMA = samples_in(TO_P3, 2.2).astype(np.uint8)
GAMMA_18 = samples_in(np.eye(3), 1.8).astype(np.uint8)


def png(samples: np.ndarray, *chunks: tuple[bytes, bytes], depth: int = 8) -> bytes:
    return png_of((samples.shape[1], samples.shape[0], depth, 2), unfiltered(samples), *chunks)


def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def jpeg_2000(samples: np.ndarray, profile: bytes) -> bytes:
    """With the profile in place of the number for sRGB."""
    data = saved(Image.fromarray(samples), "JPEG2000")
    at, outer = data.index(b"colr") - 4, data.index(b"jp2h") - 4
    box = struct.pack(">I4s3s", 11 + len(profile), b"colr", b"\2\0\0") + profile
    size = struct.unpack_from(">I", data, outer)[0] + len(box) - 15
    return data[:outer] + struct.pack(">I", size) + data[outer + 4 : at] + box + data[at + 15 :]


def tiff() -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[318], tags[319] = P3_CHROMATICITIES[6:], P3_CHROMATICITIES[:6]
    tags.tagtype[318] = tags.tagtype[319] = 5
    return saved(Image.fromarray(P3_GAMMA), "TIFF", tiffinfo=tags)


def heic() -> bytes:
    pillow_settings.input_formats()  # registers HEIF
    return with_code_points(saved(Image.fromarray(P3_SAMPLES), "HEIF", quality=-1, chroma=444), 12, 13)


GAMA = (b"gAMA", struct.pack(">I", 45455))
DESCRIBED = {
    "cICP": png(P3_SAMPLES, (b"cICP", bytes([12, 13, 0, 1]))),
    "cICP before ICC": png(P3_SAMPLES, (b"cICP", bytes([12, 13, 0, 1])), (b"sRGB", b"\0")),
    "gAMA and cHRM": png(P3_GAMMA, GAMA, (b"cHRM", CHRM)),
    "gAMA": png(GAMMA_18, (b"gAMA", struct.pack(">I", 55556))),
    "16 bits": png(samples_in(TO_P3, 2.2, 65_535).astype(">u2"), GAMA, (b"cHRM", CHRM), depth=16),
    "nclx in HEIC": heic(),
    "nclx in AVIF": with_code_points(
        saved(Image.fromarray(P3_SAMPLES), "AVIF", quality=100, subsampling="4:4:4"), 12, 13
    ),
    "ICC in JPEG 2000": jpeg_2000(P3_SAMPLES, profile_of(P3, gray=False) or b""),
    "TIFF's tags": tiff(),
    "sRGB before gAMA": png(TRUE, (b"sRGB", b"\0"), GAMA, (b"cHRM", CHRM)),
    "cHRM alone": png(TRUE, (b"cHRM", CHRM)),
    "a camera's curve": with_code_points(saved(Image.fromarray(TRUE), "AVIF", quality=100, subsampling="4:4:4"), 1, 1),
}


def shown(photo: Photo) -> np.ndarray:
    picture = Image.fromarray(photo.pixels)
    if photo.icc_profile is not None:
        source = ImageCms.ImageCmsProfile(io.BytesIO(photo.icc_profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert converted is not None
        picture = converted
    return np.asarray(picture).astype(int)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("words", DESCRIBED)
def test_what_is_written_shows_what_was_described(words: str, file_format: str) -> None:
    photo = decode_photo(DESCRIBED[words])
    written = decode_photo(encode_photo(photo, file_format=file_format))
    assert np.abs(shown(written) - TRUE).mean() < 1.3
    if words not in ("16 bits", "sRGB before gAMA", "cHRM alone", "a camera's curve"):  # those are sRGB already
        assert np.abs(photo.pixels.astype(int) - TRUE).mean() > 2  # so it was before


@pytest.mark.parametrize("words", ["cICP", "gAMA and cHRM", "gAMA", "TIFF's tags"])
def test_8_bit_samples_stay_as_they_are(words: str) -> None:
    samples = {"cICP": P3_SAMPLES, "gAMA": GAMMA_18}.get(words, P3_GAMMA)
    photo = decode_photo(DESCRIBED[words])
    np.testing.assert_array_equal(photo.pixels, samples)
    assert photo.exact


def test_code_points_come_before_a_profile_and_a_profile_before_gamma() -> None:
    narrow = saved(Image.fromarray(P3_SAMPLES), "PNG", icc_profile=SRGB)
    at = narrow.index(b"iCCP") - 4
    chunk = png(P3_SAMPLES, (b"cICP", bytes([12, 13, 0, 1])))[33:49]
    assert np.abs(shown(decode_photo(narrow[:at] + chunk + narrow[at:])) - TRUE).mean() < 1.3
    chunk = png(P3_SAMPLES, (b"gAMA", struct.pack(">I", 100_000)))[33:49]
    assert np.abs(shown(decode_photo(narrow[:at] + chunk + narrow[at:])) - P3_SAMPLES).max() <= 1


def test_gray_with_a_gamma_stays_gray() -> None:
    gray = noise(6, 5)
    photo = decode_photo(png_of((5, 6, 8, 0), unfiltered(gray), (b"gAMA", struct.pack(">I", 100_000))))
    np.testing.assert_array_equal(photo.pixels, gray)
    expected = 255 * np.where(gray / 255 <= 0.0031308, gray / 255 * 12.92, 1.055 * (gray / 255) ** (1 / 2.4) - 0.055)
    written = decode_photo(encode_photo(photo, file_format="BMP"))
    assert np.abs(written.pixels - expected).max() < 1.5


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"cICP", b"")],
        [(b"cICP", bytes([12, 13, 1, 1]))],  # Y'CbCr, which a PNG is not
        [(b"cICP", bytes([200, 200, 0, 1]))],
        [(b"gAMA", bytes(4))],
        [(b"gAMA", b"\xff" * 4)],
        [(b"tEXt", b"gamma\0a lot"), (b"tEXt", b"icc_profile\0Jane")],
    ],
)
def test_nonsense_counts_as_nothing(chunks: list[tuple[bytes, bytes]]) -> None:
    photo = decode_photo(png(TRUE, *chunks))
    np.testing.assert_array_equal(photo.pixels, TRUE)
    assert photo.icc_profile is None


@settings(max_examples=50)
@given(numbers=st.tuples(*[st.integers(0, 100_000)] * 8), gamma=st.integers(0, 2**32 - 1))
def test_no_numbers_stop_a_photo(numbers: tuple[int, ...], gamma: int) -> None:
    chunks: Any = (b"gAMA", struct.pack(">I", gamma)), (b"cHRM", struct.pack(">8I", *numbers))
    photo = decode_photo(png(TRUE[:2, :2], *chunks))
    np.testing.assert_array_equal(photo.pixels, TRUE[:2, :2])
    shown(photo)
