"""MobileNet (Howard et al., 2017, width 1) as an embedding network: the weights that A. Savchenko trained on VGGFace2.

(Savchenko, PeerJ Computer Science 5:e197, 2019; github.com/av-savchenko/HSE_FaceRec_tf.) Batch normalization is folded
into the convolutions. The embedding is the mean of the last feature map, 1024 numbers that are never negative.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# ImageNet's, of BGR in [0, 255]: what the network was trained with.
MEAN_BGR = (103.939, 116.779, 123.68)

# (width, stride) of the separable blocks.
STAGES = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))


def _convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    # A stride-2 convolution pads below and to the right only, as TensorFlow does.
    if conv.stride == (2, 2):
        x = F.pad(x, (0, 1, 0, 1))
    return F.relu6(conv(x))


class _Separable(nn.Module):
    """A depthwise 3×3 convolution and a pointwise one."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        padding = 1 if stride == 1 else 0
        self.depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, padding, groups=channels_in)
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return _convolve(self.pointwise, _convolve(self.depthwise, x))


class MobileNet(nn.Module):
    """Aligned RGB faces (N, 3, 224, 224) in [0, 1] → embeddings (N, 1024)."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN_BGR, device="cpu")[:, None, None], persistent=False)
        self.stem = nn.Conv2d(3, 32, 3, 2)
        blocks, channels = [], 32
        for width, stride in STAGES:
            blocks.append(_Separable(channels, width, stride))
            channels = width
        self.blocks = nn.Sequential(*blocks)

    def forward(self, faces: Tensor) -> Tensor:
        x = _convolve(self.stem, faces.flip(1) * 255 - self.mean)
        return self.blocks(x).mean((2, 3))
