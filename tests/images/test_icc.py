"""Color profiles written anew: the same colors, and nothing else of the file they came from."""

import io
import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images.picture_files import SRGB, noise, saved, smooth
from PIL import Image, ImageCms

from deid.images.icc import rebuilt_profile
from deid.images.photo import decode_photo

HIDDEN = saved(Image.fromarray(noise(24, 24, 3)), "JPEG", quality=60)
LEVELS = np.array([0, 1, 2, 4, 7, 12, 20, 33, 50, 77, 100, 128, 160, 190, 220, 240, 254, 255], np.uint8)
COLORS = np.array(list(itertools.product(LEVELS, repeat=3)), np.uint8).reshape(54, -1, 3)
GRAYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65_536) for number in numbers))


def xyz(*numbers: float) -> bytes:
    return b"XYZ " + bytes(4) + fixed(*numbers)


def curve(*entries: int) -> bytes:
    return b"curv" + struct.pack(f">4xI{len(entries)}H", len(entries), *entries)


def gamma(value: float, entries: int) -> bytes:
    return curve(*(round(65_535 * (i / (entries - 1)) ** value) for i in range(entries)))


P3 = {b"rXYZ": xyz(0.51512, 0.2412, -0.00105), b"gXYZ": xyz(0.29198, 0.69225, 0.04189)}
P3 |= {b"bXYZ": xyz(0.1571, 0.06657, 0.78407)}
ADOBE = {b"rXYZ": xyz(0.60974, 0.31111, 0.01947), b"gXYZ": xyz(0.20528, 0.62567, 0.06087)}
ADOBE |= {b"bXYZ": xyz(0.14919, 0.06322, 0.74457)}
SRGB_CURVE = b"para" + struct.pack(">4xHxx", 3) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
WHITE = {b"wtpt": xyz(0.9642, 1, 0.8249)}
CHAD = b"sf32" + bytes(4) + fixed(1.04788, 0.02292, -0.05019, 0.02959, 0.99048, -0.01704, -0.00923, 0.01508, 0.75168)


def rgb(primaries: dict[bytes, bytes], *curves: bytes) -> dict[bytes, bytes]:
    names = (b"rTRC", b"gTRC", b"bTRC")
    return primaries | dict(zip(names, curves * 3 if len(curves) == 1 else curves, strict=True)) | WHITE


def profile_of(
    tags: dict[bytes, bytes] | list[tuple[bytes, bytes]],
    space: bytes = b"RGB ",
    *,
    major: int = 4,
    connection: bytes = b"XYZ ",
    gap: bytes = b"",
    behind: bytes = b"",
) -> bytes:
    """A profile as any program may write it. gap: between the table and the first tag."""
    listed = list(tags.items()) if isinstance(tags, dict) else tags
    listed = [(b"desc", b"text" + bytes(4) + b"Jane's monitor\0"), *listed]
    body, table = gap, struct.pack(">I", len(listed))
    for name, tag in listed:
        table += struct.pack(">4sII", name, 132 + 12 * len(listed) + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    header = bytearray(128)
    header[:4] = struct.pack(">I", 128 + len(table) + len(body) + len(behind))
    header[4:8], header[8] = b"JANE", major
    header[12:24], header[36:40] = b"mntr" + space + connection, b"acsp"
    header[48:56], header[68:80], header[80:84] = b"JaneDoe!", fixed(0.9642, 1, 0.8249), b"JANE"
    header[84:128] = HIDDEN[:44]
    return bytes(header) + table + body + behind


USUAL = {
    "sRGB": SRGB,
    "Display P3": profile_of(rgb(P3, SRGB_CURVE) | {b"chad": CHAD}),
    "Adobe-like": profile_of(rgb(ADOBE, curve(0x0233)), major=2),
    "sRGB by a long table": profile_of(rgb(ADOBE, gamma(2.2, 1024)), major=2),
    "three curves": profile_of(rgb(P3, gamma(1.8, 4096), curve(), b"para" + struct.pack(">4xHxx", 0) + fixed(2.0))),
    "short table": profile_of(rgb(P3, curve(0, 9_000, 30_000, 65_535))),
    "gray, gamma 2.2": profile_of({b"kTRC": curve(0x0233)} | WHITE, b"GRAY", major=2),
    "gray, long table": profile_of({b"kTRC": gamma(1.8, 2048)} | WHITE, b"GRAY"),
    "gray by lightness": profile_of({b"kTRC": gamma(1.1, 300)} | WHITE, b"GRAY", connection=b"Lab "),
}


def shown(profile: bytes, space: str, intent: ImageCms.Intent) -> np.ndarray:
    gray = profile[16:20] == b"GRAY"
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("LAB" if space == "LAB" else "sRGB")
    transform = ImageCms.buildTransform(source, target, "L" if gray else "RGB", space, intent)
    picture = ImageCms.applyTransform(Image.fromarray(GRAYS if gray else COLORS), transform)
    assert picture is not None
    return np.asarray(picture).astype(int)


@pytest.mark.parametrize("name", USUAL)
def test_colors_stay_the_same(name: str) -> None:
    rebuilt = rebuilt_profile(USUAL[name])
    assert rebuilt is not None
    for space, intent in itertools.product(("RGB", "LAB"), ImageCms.Intent):
        change = np.abs(shown(USUAL[name], space, intent) - shown(rebuilt, space, intent))
        assert np.minimum(change, 256 - change).max() <= 1, (space, intent)  # a* and b* go around at 0
    assert rebuilt_profile(rebuilt) == rebuilt


@pytest.mark.parametrize("name", USUAL)
def test_no_text_and_no_name_comes_along(name: str) -> None:
    rebuilt = rebuilt_profile(USUAL[name]) or b""
    assert 0 < len(rebuilt) < 3_000
    for secret in (b"Jane", b"JANE", HIDDEN[:16], "Jane".encode("utf-16-be")):
        assert secret not in rebuilt
    assert int.from_bytes(rebuilt[:4], "big") == len(rebuilt)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(rebuilt))
    assert ImageCms.getProfileDescription(profile).strip() == "Colors of a photo"
    assert ImageCms.getProfileCopyright(profile).strip() == "None"


COLORS_OF_P3 = rgb(P3, SRGB_CURVE)
WITH_A_PICTURE = {
    **{
        f"in {name.decode()}": profile_of(COLORS_OF_P3 | {name: b"data" + bytes(4) + HIDDEN})
        for name in (b"prvt", b"meta", b"dscm", b"ndin", b"vcgt", b"cprt", b"dmnd", b"lumi", b"targ", b"B2A0", b"chad")
    },
    "before the tags": profile_of(COLORS_OF_P3, gap=HIDDEN + bytes(-len(HIDDEN) % 4)),
    "behind the tags": profile_of(COLORS_OF_P3, behind=HIDDEN),
    "behind the profile": profile_of(COLORS_OF_P3) + HIDDEN,
    "behind the numbers of each tag": profile_of({name: tag + HIDDEN for name, tag in COLORS_OF_P3.items()}),
    "in a second tag of a name": profile_of([*COLORS_OF_P3.items(), (b"rTRC", b"curv" + bytes(4) + HIDDEN)]),
    "in reserved bytes": profile_of({name: tag[:4] + HIDDEN[:4] + tag[8:] for name, tag in COLORS_OF_P3.items()}),
}


@pytest.mark.parametrize("place", WITH_A_PICTURE)
def test_a_picture_in_a_profile_is_gone_and_the_colors_stay(place: str) -> None:
    expected = rebuilt_profile(profile_of(COLORS_OF_P3))
    assert rebuilt_profile(WITH_A_PICTURE[place]) == expected is not None


def test_tags_that_lie_on_each_other_carry_nothing() -> None:
    profile = bytearray(profile_of(COLORS_OF_P3 | {b"prvt": b"data" + bytes(4) + HIDDEN}))
    for at in range(132, 132 + 12 * profile[131], 12):  # every tag reaches to the end of the file
        struct.pack_into(">I", profile, at + 8, len(profile) - struct.unpack_from(">I", profile, at + 4)[0])
    assert rebuilt_profile(bytes(profile)) == rebuilt_profile(profile_of(COLORS_OF_P3))


def hidden_curve() -> bytes:
    return b"curv" + struct.pack(">4xI", len(HIDDEN) // 2) + HIDDEN


def table_of(entries: bytes) -> bytes:
    """A2B0 with 9 nodes a channel and 8 bits an entry (lut8)."""
    ramp = bytes(range(256)) * 3
    identity = fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return b"mft1" + bytes(4) + bytes([3, 3, 9, 0]) + identity + ramp + entries.ljust(2187, b"\x55")[:2187] + ramp


NOT_REBUILT = {
    "a table": profile_of(COLORS_OF_P3 | {b"A2B0": table_of(HIDDEN)}),
    "a table alone": profile_of({b"A2B0": table_of(HIDDEN)} | WHITE, connection=b"Lab "),
    "a curve that falls": profile_of(rgb(P3, hidden_curve())),
    "a falling gray": profile_of({b"kTRC": hidden_curve()} | WHITE, b"GRAY"),
}


@pytest.mark.parametrize("what", NOT_REBUILT)
def test_what_could_hold_a_picture_is_converted_and_the_profile_dropped(what: str) -> None:
    profile = NOT_REBUILT[what]
    assert rebuilt_profile(profile) is None
    array = smooth(20, 24)[..., 0] if "gray" in what else smooth(20, 24)
    photo = decode_photo(saved(Image.fromarray(array), "PNG", icc_profile=profile))
    assert photo.icc_profile is None
    assert not photo.exact
    mode = "L" if array.ndim == 2 else "RGB"
    srgb = ImageCms.createProfile("sRGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = ImageCms.profileToProfile(Image.fromarray(array, mode), source, srgb, outputMode="RGB")
    pixels = np.asarray(expected)
    np.testing.assert_array_equal(photo.pixels, pixels[..., 1] if array.ndim == 2 else pixels)
    assert np.abs(photo.pixels.astype(int) - array).max() > 10  # not the samples as they were


def test_alpha_stays_where_colors_are_converted() -> None:
    array = noise(6, 5, 4)
    photo = decode_photo(saved(Image.fromarray(array), "PNG", icc_profile=NOT_REBUILT["a table"]))
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha, array[..., 3])


@pytest.mark.parametrize(
    "profile",
    [
        None,
        b"",
        b"nonsense",
        SRGB[:200],
        profile_of(P3 | WHITE),
        profile_of({**COLORS_OF_P3, b"gTRC": b"curv" + struct.pack(">4xI", 2**31)}),
        profile_of({**COLORS_OF_P3, b"gTRC": b"para" + struct.pack(">4xHxx", 9) + bytes(40)}),
        profile_of({**COLORS_OF_P3, b"gXYZ": b"XYZ "}),
        profile_of(COLORS_OF_P3, major=5),
        profile_of(COLORS_OF_P3, b"CMYK"),
        profile_of(COLORS_OF_P3, connection=b"Luv "),
    ],
)
def test_what_is_no_rgb_or_gray_profile_is_not_rebuilt(profile: bytes | None) -> None:
    assert rebuilt_profile(profile) is None
    if profile:
        assert decode_photo(saved(Image.new("RGB", (4, 4)), "PNG", icc_profile=profile)).icc_profile is None


@settings(max_examples=300)
@given(name=st.sampled_from(sorted(USUAL)), data=st.data())
def test_damage_never_raises_and_never_grows(name: str, data: st.DataObject) -> None:
    profile = bytearray(USUAL[name])
    for _ in range(data.draw(st.integers(1, 8))):
        profile[data.draw(st.integers(0, min(len(profile), 400) - 1))] = data.draw(st.integers(0, 255))
    rebuilt = rebuilt_profile(bytes(profile[: data.draw(st.integers(0, len(profile)))]))
    if rebuilt is not None:
        assert len(rebuilt) < 3_000
        assert rebuilt_profile(rebuilt) == rebuilt
