"""HDR pictures: what a screen can show stays as it is, what it cannot is folded under it, and it is said."""

import struct

import numpy as np
import pytest
from images.picture_files import saved, smooth
from images.test_described import light_of, png, with_code_points
from PIL import Image

from deid.images.described import Colors
from deid.images.hdr import WHITE, tone_mapping
from deid.images.icc import profile_from
from deid.images.notes import TONE_MAPPED
from deid.images.photo import decode_photo

TRUE = smooth(24, 32) // 2 + 60
# Linear sRGB in linear BT.2020 (ITU-R BT.2087, table 4).
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
BT2020 = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.329)


def pq(light: np.ndarray) -> np.ndarray:
    """Samples of light in cd/m² (SMPTE ST 2084)."""
    y = (light / 10_000) ** 0.1593017578125
    return np.rint(255 * ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375).astype(np.uint8)


def hlg(light: np.ndarray) -> np.ndarray:
    """Samples of light in cd/m² on a display of 1,000 cd/m²."""
    shown = light / 1000
    luma = shown @ np.array([0.2627, 0.678, 0.0593])
    scene = shown * luma[..., None] ** (1 / 1.2 - 1)
    low, high = np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.rint(255 * np.where(scene <= 1 / 12, low, high)).astype(np.uint8)


LIGHT = light_of(TRUE) @ TO_2020.T * WHITE


@pytest.mark.parametrize(("transfer", "samples"), [(16, pq(LIGHT)), (18, hlg(LIGHT))])
def test_what_is_no_brighter_than_paper_is_shown_as_it_is(transfer: int, samples: np.ndarray) -> None:
    photo = decode_photo(png(samples, (b"cICP", bytes([9, transfer, 0, 1]))))
    assert np.abs(photo.pixels.astype(int) - TRUE).mean() < 1.5  # PQ has few levels there in 8 bits
    assert photo.icc_profile is None
    assert not photo.exact
    assert photo.notes == (TONE_MAPPED,)


def test_in_avif_and_in_a_profile_it_is_noticed_too() -> None:
    data = saved(Image.fromarray(pq(LIGHT)), "AVIF", quality=100, subsampling="4:4:4")
    photo = decode_photo(with_code_points(data, 9, 16))
    assert photo.notes == (TONE_MAPPED,)
    assert np.abs(photo.pixels.astype(int) - TRUE).mean() < 6
    profile = bytearray(profile_from(BT2020, None, gray=False) or b"")
    profile[144:148] = b"cicp"  # in place of the copyright
    start = struct.unpack_from(">I", profile, 148)[0]
    profile[start : start + 12] = b"cicp" + bytes(4) + bytes([9, 16, 0, 1])
    photo = decode_photo(saved(Image.fromarray(pq(LIGHT)), "PNG", icc_profile=bytes(profile)))
    assert photo.notes == (TONE_MAPPED,)
    assert np.abs(photo.pixels.astype(int) - TRUE).mean() < 1.5


@pytest.mark.parametrize(("transfer", "peak"), [("pq", 10_000.0), ("pq", 1000.0), ("hlg", 1000.0)])
def test_brighter_light_is_never_darker_and_the_brightest_is_white(transfer: str, peak: float) -> None:
    light = np.geomspace(0.1, peak, 64)[:, None].repeat(3, 1)[None]
    samples = {"pq": pq, "hlg": hlg}[transfer](light)
    picture = Image.fromarray(samples)
    shown = np.asarray(tone_mapping(picture, Colors(BT2020, transfer))(picture)).astype(int)  # type: ignore[arg-type]
    assert (np.diff(shown[0, :, 0]) >= 0).all()
    assert shown[0, -1].min() == 255
    assert np.ptp(shown, axis=-1).max() <= 1  # gray stays gray
    # Reinhard's curve at white paper: (1 + 1 / peak²) / 2 of the screen's light.
    paper = np.abs(light[0, :, 0] - WHITE).argmin()
    x = light[0, paper, 0] / WHITE
    expected = x * (1 + x / (peak / WHITE) ** 2) / (1 + x)
    assert light_of(shown[0, paper, 0]) == pytest.approx(expected, abs=0.03)
