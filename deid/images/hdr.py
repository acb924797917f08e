"""Pictures of more light than a screen has, brought to sRGB.

Curves: Recommendation ITU-R BT.2100-2, tables 4 and 5; the light of white paper, 203 cd/m²: Report BT.2408, table 1;
the tone curve: Reinhard, Stark, Shirley, Ferwerda, SIGGRAPH 2002, equation 4, which leaves a picture without brighter
places than white paper as it is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from deid.images.described import BT709, Colors
from deid.images.icc import rgb_to_xyz

WHITE = 203  # cd/m²
_PEAK_OF_HLG, _SYSTEM_GAMMA = 1000, 1.2
_BT2020_LUMA = (0.2627, 0.678, 0.0593)


def tone_mapping(picture: Image.Image, colors: Colors) -> Callable[[Image.Image], Image.Image]:
    """How to bring bands of rows of a loaded HDR picture to 8-bit sRGB, mode RGB.

    Where the brightest sample of the whole picture is at most white paper, colors are only converted. Hue is kept:
    all three channels are scaled as the brightest one.
    """
    table = _light_of_samples(colors)
    to_srgb = (np.linalg.inv(rgb_to_xyz(BT709)) @ rgb_to_xyz(colors.primaries)).astype(np.float32)
    extremes = picture.convert("RGB").getextrema()
    peak = max(1.0, float(_displayed(np.full((1, 3), table[max(high for _, high in extremes)]), colors).max()))  # type: ignore[misc]

    def convert(band: Image.Image) -> Image.Image:
        light = _displayed(table[np.asarray(band.convert("RGB"))], colors)
        brightest = light.max(axis=-1, keepdims=True)
        light *= (1 + brightest / peak**2) / (1 + brightest)
        return Image.fromarray(_srgb(light @ to_srgb.T))

    return convert


def _light_of_samples(colors: Colors) -> np.ndarray:
    """Of each 8-bit sample: for PQ in units of white paper, for HLG of the scene in [0, 1]; float32 (256,)."""
    v = np.linspace(0, 1, 256)
    if colors.transfer == "pq":
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = v ** (1 / m2)
        light = 10_000 / WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(v <= 0.5, v**2 / 3, (np.exp((v - c) / a) + b) / 12)
    return light.astype(np.float32)


def _displayed(light: np.ndarray, colors: Colors) -> np.ndarray:
    """In units of white paper. PQ is what a display shows; of HLG it shows more the brighter a place is."""
    if colors.transfer == "pq":
        return light
    luma = light @ np.array(_BT2020_LUMA, np.float32)
    return light * (_PEAK_OF_HLG / WHITE * np.maximum(luma, 1e-9) ** (_SYSTEM_GAMMA - 1))[..., None]


def _srgb(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)
