"""From the aligned frame back into the photo: a perturbation, or other pixels, laid inside a feathered mask."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.faces.align import LUMA, compose, warp

FEATHER = 0.1  # of the template's side: the mask rises from 0 at the edge to 1 over this width
DARK = 0.8  # added to a color before its share is taken: were hues kept in full, saturated skin would turn red
STRIPE = 256  # rows of a photo pasted at a time: memory does not grow with the face


def deposit(transform: np.ndarray, size: tuple[int, int], side: int, top: int = 0) -> tuple[Tensor, Tensor]:
    """Grid (H, W, 2) that samples the aligned frame at each pixel of a picture, and the feathered mask (1, H, W).

    transform: picture to aligned pixels; `top`: the picture row of the first row.
    """
    rows, columns = np.mgrid[top : top + size[0], : size[1]].astype(np.float64)
    aligned = np.stack([columns, rows, np.ones_like(rows)], -1) @ transform.T
    inside = np.minimum(aligned, side - 1 - aligned).min(-1)  # pixels from the frame's nearest edge
    ramp = np.clip(inside / (FEATHER * side), 0, 1)
    mask = 0.5 - 0.5 * np.cos(np.pi * ramp)
    grid = (2 * aligned + 1) / side - 1
    return torch.from_numpy(grid.astype(np.float32)), torch.from_numpy(mask.astype(np.float32))[None]


def tint(pixels: Any, luma: Any) -> Any:
    """How far each color follows a change of luma, so that its hue nearly stays: light and shadow, not paint.

    pixels, luma: in [0, 1], tensors or arrays that go together.
    """
    return (pixels + DARK) / (luma + DARK)


def paste(pixels: np.ndarray, noise: Tensor, transform: np.ndarray, region: tuple[int, int, int, int]) -> None:
    """Lay a perturbation of luma (1, S, S) on a photo in place, rounded to 8 bits; nothing outside the mask changes.

    pixels: uint8 (H, W, 3) or (H, W); transform: photo to aligned pixels; region: where the face's patch lies.
    """
    x0, y0, x1, y1 = region
    shifted = compose(transform, np.array([[1.0, 0, x0], [0, 1, y0]]))
    noise = noise.detach().cpu().float()
    for top in range(0, y1 - y0, STRIPE):
        rows = min(STRIPE, y1 - y0 - top)
        grid, mask = deposit(shifted, (rows, x1 - x0), noise.shape[-1], top)
        laid = (warp(noise[None], grid[None], padding="zeros")[0] * mask)[0].numpy()
        part = pixels[y0 + top : y0 + top + rows, x0:x1]
        before = part / np.float32(255)
        if pixels.ndim == 3:
            laid = laid[:, :, None] * tint(before, (before @ np.array(LUMA, np.float32))[:, :, None])
        part[...] = np.rint(np.clip(before + laid, 0, 1) * 255).astype(np.uint8)


def paste_over(
    pixels: np.ndarray, other: np.ndarray, transform: np.ndarray, region: tuple[int, int, int, int], side: int
) -> None:
    """Lay other pixels over a photo's in place, by the mask of a perturbation (1, side, side) laid there.

    pixels: uint8 (H, W, 3) or (H, W); other: uint8, those of the region; transform: photo to aligned pixels.
    """
    x0, y0, x1, y1 = region
    shifted = compose(transform, np.array([[1.0, 0, x0], [0, 1, y0]]))
    for top in range(0, y1 - y0, STRIPE):
        rows = min(STRIPE, y1 - y0 - top)
        mask = deposit(shifted, (rows, x1 - x0), side, top)[1].numpy()[0]
        part = pixels[y0 + top : y0 + top + rows, x0:x1]
        share = mask if pixels.ndim == 2 else mask[:, :, None]
        part[...] = np.rint(part + share * (other[top : top + rows].astype(np.float32) - part)).astype(np.uint8)
