"""Whether two photos are nearly one picture: a hash that rules out most, then SSIM, both of a small copy in gray.

Fine noise that is to hide a likeness mostly averages out in the small copy, and a memory of many stays small.
"""

import numpy as np
import pytorch_msssim
import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 32  # pixels a side of the copy
HASH_SIDE = 8
WINDOW = 7  # of SSIM
STEP = 0.02  # in [0, 1]: a smaller difference of two cells may be noise on a surface of one color


def small_copies(photos: Tensor) -> Tensor:
    """uint8 (N, 32, 32), gray. photos: (N, C, H, W) in [0, 1]."""
    gray = photos.detach().mean(1, keepdim=True)
    small = F.interpolate(gray, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return (255 * small[:, 0]).round().clamp(0, 255).to(torch.uint8).cpu()


def difference_hashes(copies: Tensor) -> list[int]:
    """64 bits each: where, of 8 × 9 cells, the right one is lighter than its left neighbor. copies: (N, 32, 32)."""
    cells = F.adaptive_avg_pool2d(copies.float()[:, None] / 255, (HASH_SIDE, HASH_SIDE + 1))[:, 0]
    bits = (cells.diff(dim=2) > STEP).flatten(1).numpy()
    return [int.from_bytes(row.tobytes(), "big") for row in np.packbits(bits, axis=1)]


def similarities(copy: Tensor, others: Tensor) -> Tensor:
    """SSIM, (n,), of one copy (32, 32) to others (n, 32, 32)."""
    a, b = copy.float().expand(len(others), -1, -1)[:, None], others.float()[:, None]
    return pytorch_msssim.ssim(a, b, data_range=255, win_size=WINDOW, size_average=False)
