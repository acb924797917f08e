"""What handling does to the patch around a face, differentiable: the attack's expectation of it.

The true codec and the true detector have the last word (see `rounds`); this only has to point the right way.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import LUMA, Patch
from deid.images.handlings import HALF_SIZE, HALF_SIZE_JPEG_75, JPEG_75

BLOCK = 8
# The example tables of the JPEG standard (ITU-T T.81, annex K), which nearly all encoders scale by a quality.
_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99), (18, 21, 26, 66, 99, 99, 99, 99), (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99), *((99,) * 8,) * 4,
)  # fmt: skip


def jpeg(pixels: Tensor, quality: int, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """A picture (3, H, W) in [0, 1] as a JPEG file of this quality (1 to 100, 4:2:0) shows it, differentiable.

    corner: (x, y) of the picture in its photo, whose blocks start at multiples of 8 pixels. The gradient passes
    through a coefficient as far as it survives: entirely where it is kept, not at all where it is 0 and far from
    being kept. A straight gradient would spend the perturbation on what the codec throws away.
    """
    height, width = pixels.shape[1:]
    left, top = corner[0] % (2 * BLOCK), corner[1] % (2 * BLOCK)
    pad = (left, -(left + width) % (2 * BLOCK), top, -(top + height) % (2 * BLOCK))
    color = _converted(F.pad(pixels[None], pad, mode="replicate")[0] * 255, to_ycc=True)
    luma = _quantized(color[:1] - 128, _table_of_quality(_LUMA_TABLE, quality)) + 128
    small = _quantized(F.avg_pool2d(color[1:], 2), _table_of_quality(_CHROMA_TABLE, quality))
    chroma = F.interpolate(small[None], scale_factor=2, mode="bilinear", align_corners=False)[0]
    back = _converted(torch.cat([luma, chroma]), to_ycc=False) / 255
    return back[:, top : top + height, left : left + width].clamp(0, 1)


def half_size_and_back(pixels: Tensor, factor: float = 0.5) -> Tensor:
    """A picture (3, H, W) reduced to `factor` of its size and enlarged again, (3, H, W)."""
    size = pixels.shape[1:]
    reduced = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    small = F.interpolate(pixels[None], reduced, mode="bicubic", antialias=True, align_corners=False)
    return F.interpolate(small, size, mode="bicubic", align_corners=False)[0].clamp(0, 1)


def rehearse(handling: str, pixels: Tensor, patch: Patch) -> Tensor:
    """What is left of a patch's pixels (3, H, W), perhaps padded, after a handling; as they are for one unknown here.

    A patch may be a reduced picture of a large face, which hides what happens to finer pixels.
    """
    reduced = float(patch.from_photo[0, 0])
    if handling in (HALF_SIZE, HALF_SIZE_JPEG_75) and reduced > 0.5:
        pixels = half_size_and_back(pixels, 0.5 / reduced)
    if handling in (JPEG_75, HALF_SIZE_JPEG_75) and reduced == 1:
        pixels = jpeg(pixels, 75, patch.region[:2])
    return pixels


def _quantized(plane: Tensor, table: Tensor) -> Tensor:
    """Planes (C, H, W) in gray levels, sides multiples of 8, through the cosine transform, rounded, and back."""
    channels, height, width = plane.shape
    blocks = plane.reshape(channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(2, 3)
    basis, table = _cosines().to(plane), table.to(plane)
    steps = basis @ blocks @ basis.T / table
    kept = (4 * steps.square()).clamp(max=1).detach() * steps  # a step rounds to 0 below 1/2
    rounded = kept + (steps.round() - kept).detach()
    return (basis.T @ (rounded * table) @ basis).transpose(2, 3).reshape(channels, height, width)


def _cosines() -> Tensor:
    """The orthonormal cosine transform of 8 values, (8, 8)."""
    n = torch.arange(BLOCK, dtype=torch.float64)
    basis = torch.cos(torch.pi / BLOCK * (n + 0.5) * n[:, None]) * (2 / BLOCK) ** 0.5
    basis[0] /= 2**0.5
    return basis.float()


def _table_of_quality(table: tuple[tuple[int, ...], ...], quality: int) -> Tensor:
    """As libjpeg scales the standard's tables: 50 leaves them, 100 makes them 1."""
    percent = 5000 / quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(table) * percent + 50) / 100).floor().clamp(1, 255)


def _converted(pixels: Tensor, *, to_ycc: bool) -> Tensor:
    """Between RGB and the luma and (centered) chroma of JPEG files, (3, H, W) in gray levels."""
    red, green, blue = LUMA
    matrix = pixels.new_tensor(
        [
            [red, green, blue],
            [-red / (2 - 2 * blue), -green / (2 - 2 * blue), 0.5],
            [0.5, -green / (2 - 2 * red), -blue / (2 - 2 * red)],
        ]
    )
    return torch.einsum("ij,jhw->ihw", matrix if to_ycc else torch.linalg.inv(matrix), pixels)
