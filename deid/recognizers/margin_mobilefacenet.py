"""MobileFaceNet (Chen, Liu, Gao, Han, CCBR 2018) as github.com/sirius-ai/MobileFaceNet_TF trains it.

ArcFace's loss (Deng, Guo, Xue, Zafeiriou, CVPR 2019) on MS-Celeb-1M. Batch normalization is folded into the
convolutions; activations are PReLU, where `mobilefacenet` has ReLU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.recognizers.mobilefacenet import STAGES

EMBEDDING_SIZE = 192


class _Convolution(nn.Module):
    """A convolution, followed by a PReLU unless it is linear; a stride of 2 pads below and to the right only."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.pad = (0, 1, 0, 1) if stride == 2 else (kernel // 2,) * 4
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, groups=groups)
        self.act = nn.Identity() if linear else nn.PReLU(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv(F.pad(x, self.pad)))


class _InvertedResidual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.identity = stride == 1 and channels_in == channels_out
        self.expand = _Convolution(channels_in, wide, 1)
        self.depthwise = _Convolution(wide, wide, 3, stride=stride, groups=wide)
        self.project = _Convolution(wide, channels_out, 1, linear=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.identity else out


class MarginMobileFaceNet(nn.Module):
    """Aligned RGB faces (N, 3, 112, 112) in [0, 1] → embeddings (N, 192)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, 64, 3, stride=2)
        self.depthwise = _Convolution(64, 64, 3, groups=64)
        self.pointwise = _Convolution(64, 64, 1, linear=True)
        blocks, channels = [], 64
        for expansion, width, repeats, stride in STAGES:
            for i in range(repeats):
                blocks.append(_InvertedResidual(channels, width, expansion, stride if i == 0 else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.widen = _Convolution(channels, 512, 1)
        self.gather = nn.Conv2d(512, 512, 7, groups=512)
        self.mix = nn.Conv2d(512, 512, 1)
        self.embed = nn.Conv2d(512, EMBEDDING_SIZE, 1)

    def forward(self, faces: Tensor) -> Tensor:
        x = (faces * 255 - 127.5) / 128
        x = self.blocks(self.pointwise(self.depthwise(self.stem(x))))
        return torch.flatten(self.embed(self.mix(self.gather(self.widen(x)))), 1)
