"""Peak signal-to-noise ratio."""

from torch import Tensor

HIGHEST = 99.0  # dB, of equal images


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """In dB, of each pair of images, both (N, C, H, W), in [0, 1]: shape (N,), at most 99 (equal images)."""
    error = (x - y).square().mean((1, 2, 3))
    return (-10 * error.clamp(min=1e-12).log10()).clamp(max=HIGHEST)
