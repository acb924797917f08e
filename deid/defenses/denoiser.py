"""A small network that takes a perturbation off faces: what someone trains who can run the program on photos of theirs.

A residual U-Net of 146,000 parameters that works at half the side (four pixels become channels: Zhang, Zuo, Zhang,
FFDNet, IEEE TIP 2018). It learns from pairs of protected and clean faces, to be near the clean face in its pixels and
in what a recognizer makes of it (Liao and others, CVPR 2018: pixels alone leave what recognizers see).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.errors import UsageError

WIDTH = 32
GUIDED = 0.1  # weight of 1 − cosine beside the mean absolute error of pixels
MULTIPLE = 4  # pixels: sides are multiples of it


class Denoiser(nn.Module):
    """Faces (N, 3, H, W) in [0, 1], sides multiples of 4, to the same shape and range.

    Untrained, it changes nothing. Raises UsageError for another shape.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = _two_convolutions(12, WIDTH)
        self.reduced = nn.Sequential(_convolution(WIDTH, 2 * WIDTH, stride=2), *_two_convolutions(2 * WIDTH, 2 * WIDTH))
        self.enlarged = _convolution(2 * WIDTH, WIDTH)
        change = nn.Conv2d(WIDTH, 12, 3, padding=1)
        nn.init.zeros_(change.weight)
        nn.init.zeros_(change.bias)  # type: ignore[arg-type]
        self.last = nn.Sequential(_convolution(2 * WIDTH, WIDTH), change)

    def forward(self, faces: Tensor) -> Tensor:
        if faces.ndim != 4 or faces.shape[1] != 3 or any(side % MULTIPLE for side in faces.shape[2:]):
            raise UsageError(f"a denoiser takes faces (N, 3, H, W), sides multiples of 4, not {tuple(faces.shape)}")
        fine = self.first(F.pixel_unshuffle(faces - 0.5, 2))
        coarse = F.interpolate(self.enlarged(self.reduced(fine)), scale_factor=2)
        return (faces + F.pixel_shuffle(self.last(torch.cat([fine, coarse], 1)), 2)).clamp(0, 1)


def denoising_loss(denoised: Tensor, clean: Tensor, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Of faces (N, 3, H, W) in [0, 1]. embed: what guides: faces to unit embeddings (N, D)."""
    with torch.no_grad():
        places = embed(clean)
    apart = 1 - (embed(denoised) * places).sum(1).mean()
    return (denoised - clean).abs().mean() + GUIDED * apart


def _convolution(channels: int, width: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride, padding=1), nn.ReLU())


def _two_convolutions(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(_convolution(channels, width), _convolution(width, width))
