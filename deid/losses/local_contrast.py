"""How large a change of a face's pixels may be, by the contrast around each of them."""

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7
LEVELS, CONTRAST = 8 / 255, 0.08


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
