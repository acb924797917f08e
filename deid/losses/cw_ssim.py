"""Complex-wavelet structural similarity (CW-SSIM), differentiable.

Sampat, Wang, Gupta, Bovik, Markey, "Complex wavelet structural similarity: a new image similarity index",
IEEE Transactions on Image Processing 18(11), 2009. Over a window of two complex subbands c_x, c_y it is
(2 |mean(c_x conj(c_y))| + κ) / (mean |c_x|² + mean |c_y|² + κ). A small shift, turn or zoom moves all phases
of a window together, which the modulus of the sum forgives; noise and new edges break their relation.

What it does not see: the mean and the slow shading left in the low-pass residual, and a change of sign (an
image and its negative score 1). Beside a norm of the perturbation, as in K-A³, neither is free.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from deid.losses.steerable_pyramid import ORIENTATIONS, SCALES, subbands

WINDOW = 7

# In squared image units, for images in [0, 1], per coefficient: in a window whose coefficients have a smaller
# mean energy, differences stop counting. White noise of standard deviation 0.03 (SSIM's constant for the
# variance is 0.03²) gives about this to each, so that rounding to 8 bits costs next to nothing on flat skin. The
# structure of a face lies above κ at every scale but the finest, where its edges do.
KAPPA = 1e-4


def scales_for(images: Tensor) -> int:
    """How many of SCALES images (…, H, W) have room for: the window must fit in the coarsest subband, or none does."""
    side = min(images.shape[-2:])
    return max((scales for scales in range(1, SCALES + 1) if side >= WINDOW << (scales - 1)), default=1)


def cw_ssim(
    x: Tensor,
    y: Tensor,
    *,
    scales: int = SCALES,
    orientations: int = ORIENTATIONS,
    window: int = WINDOW,
    kappa: float = KAPPA,
) -> Tensor:
    """CW-SSIM of each pair of images, both (N, C, H, W), in [0, 1], float32 or float64.

    Returns shape (N,), in [0, 1], 1 = equal. Errors as in `subbands` and `cw_ssim_of_subbands`.
    """
    return cw_ssim_of_subbands(
        subbands(x, scales=scales, orientations=orientations),
        subbands(y, scales=scales, orientations=orientations),
        window=window,
        kappa=kappa,
    )


def cw_ssim_of_subbands(
    x: tuple[Tensor, ...], y: tuple[Tensor, ...], *, window: int = WINDOW, kappa: float = KAPPA
) -> Tensor:
    """CW-SSIM from the `subbands` of two batches of images, one complex (N, C, h, w) a scale: shape (N,), in
    [0, 1], 1 = equal. An attack computes those of its clean faces once.

    `window`: side of the sliding square window, in coefficients. `kappa`: in squared image units, above 0.

    The gradient is finite everywhere; it vanishes where x equals y, the maximum.

    Raises ValueError if the subbands' shapes differ, kappa is not positive, or a subband has no room for the
    window (take fewer scales, or a smaller window).
    """
    if [band.shape for band in x] != [band.shape for band in y] or not x:
        raise ValueError("the two images have subbands of different shapes, or none")
    if not kappa > 0:
        raise ValueError(f"kappa must be above 0, not {kappa}")
    smallest = min(min(band.shape[-2:]) for band in x)
    if not 1 <= window <= smallest:
        raise ValueError(f"the window must have 1 to {smallest} coefficients a side here, not {window}")
    # Each subband counts the same, and all scales take part, the finest too: what is left out is free for an
    # attack, and with the coarsest alone it would hide everything in high-frequency noise.
    scores = [_scores(a, b, window, kappa) for a, b in zip(x, y, strict=True)]
    # Rounding can pass 1 by a unit in the last place; the gradient is zero there anyway.
    return torch.stack(scores).mean(0).clamp(max=1)


def _scores(x: Tensor, y: Tensor, window: int, kappa: float) -> Tensor:
    """Mean over the windows and channels of one scale, shape (N,)."""
    cross: Tensor = _BoxSum.apply(x * y.conj(), window)
    energy: Tensor = _BoxSum.apply(_energy(x) + _energy(y), window)
    floor = kappa * window**2
    # abs() of a complex tensor has gradient 0 at 0, where the square root of a sum of squares has none.
    return ((2 * cross.abs() + floor) / (energy + floor)).mean((1, 2, 3))


def _energy(band: Tensor) -> Tensor:
    real, imaginary = torch.view_as_real(band).unbind(-1)
    return real * real + imaginary * imaginary


class _BoxSum(torch.autograd.Function):
    """Sums over each window × window square that fits, of real or complex maps (..., H, W).

    As additions of whole shifted maps: several times faster on a CPU than avg_pool2d, and unlike differences
    of cumulative sums as exact beside a strong edge as elsewhere."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, window: int) -> Tensor:
        ctx.window = window
        return _sliding_sum(_sliding_sum(maps, window, -1), window, -2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        # The adjoint of a box sum is the box sum of the padded gradient.
        edge = ctx.window - 1
        return _BoxSum.forward(ctx, pad(grad, (edge,) * 4), ctx.window), None


def _sliding_sum(maps: Tensor, window: int, dim: int) -> Tensor:
    """Sums over `window` neighbors along `dim`, put together from sums over 1, 2, 4, … of them."""
    length = maps.shape[dim] - window + 1
    parts, covered, width = [], 0, 1
    while True:
        if window & width:
            parts.append(maps.narrow(dim, covered, length))
            covered += width
        if covered == window:
            return sum(parts[1:], start=parts[0])
        room = maps.shape[dim] - width
        maps = maps.narrow(dim, 0, room) + maps.narrow(dim, width, room)
        width *= 2
