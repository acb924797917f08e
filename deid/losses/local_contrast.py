"""Where in a face a perturbation is seen least: weights and limits for its pixels."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7
# SSIM's constant for the variance, for images in [0, 1] (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13, 2004).
FLOOR = 0.03**2
LEVELS, CONTRAST = 8 / 255, 0.08


@torch.no_grad()
def tolerance(faces: Tensor) -> Tensor:
    """How much of a perturbation each pixel of faces (N, C, H, W) in [0, 1] bears: same shape, above 0, mean 1.

    In a window of variance σ² a small perturbation δ lowers SSIM by about δ² / (2σ² + FLOOR): the less the more
    structure hides it. The weight is the square root of that, averaged over the windows of a pixel: in full it would
    draw everything to the edges, as painted lines.
    """
    variance = (_mean(faces.square()) - _mean(faces).square()).clamp(min=0)
    weight = _mean(1 / (2 * variance + FLOOR)).rsqrt()
    return weight / weight.mean((1, 2, 3), keepdim=True)


@torch.no_grad()
def visible_limit(faces: Tensor) -> Tensor:
    """About how large a perturbation of each pixel of faces (N, C, H, W) in [0, 1] may be and still look clean.

    8 gray levels × (0.5 + σ / 0.08), σ the standard deviation in the window around the pixel: 4 levels on smooth skin,
    more where structure hides it. A limit on the sum, as SSIM is, does not see the lines that a perturbation draws.
    """
    variance = (_mean(faces.square()) - _mean(faces).square()).clamp(min=0)
    return LEVELS * (0.5 + variance.sqrt() / CONTRAST)


def _mean(maps: Tensor) -> Tensor:
    """Over the window around each pixel, the maps mirrored at their edges."""
    edge = WINDOW // 2
    return F.avg_pool2d(F.pad(maps, (edge,) * 4, mode="reflect"), WINDOW, 1)
