"""MobileFaceNet (Chen, Liu, Gao, Han, CCBR 2018) as github.com/foamliu/MobileFaceNet trains it: ArcFace, MS-Celeb-1M.

The released weights are an *independent* recognizer, for measuring only: they tell what an attack does to a network
that it has never met, and are never a surrogate, a teacher or a tuning target. Parameter names and shapes are those of
the released state dict, so that it loads strictly; the file does not ship, `deid weights import` takes it. Others of
this architecture can be trained here (`deid.training.students`).
"""

import torch
from torch import Tensor, nn

EMBEDDING_SIZE = 128

# ImageNet's, of RGB in [0, 1]: what the network was trained with.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

# (expansion, width, repeats, stride of the first) of the inverted residuals.
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


def _convolution(
    channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU6())


class _Separable(nn.Module):
    """A depthwise 3×3 convolution and a pointwise one, each with batch normalization and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.depthwise(x)))
        return torch.relu(self.bn2(self.pointwise(x)))


class _InvertedResidual(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        self.identity = stride == 1 and channels_in == channels_out
        self.conv = nn.Sequential(
            _convolution(channels_in, wide, 1),
            _convolution(wide, wide, 3, stride=stride, groups=wide),
            nn.Conv2d(wide, channels_out, 1, bias=False),
            nn.BatchNorm2d(channels_out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.identity else self.conv(x)


class _GlobalDepthwise(nn.Module):
    """A depthwise convolution as large as the feature map: a learned weight for each place instead of a mean."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, size, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.depthwise(x))


class MobileFaceNet(nn.Module):
    """Aligned RGB faces (N, 3, 112, 112) in [0, 1] → embeddings (N, 128)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN, device="cpu")[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION, device="cpu")[:, None, None], persistent=False)
        self.conv1 = _convolution(3, 64, 3, stride=2)
        self.dw_conv = _Separable(64)
        blocks, channels = [], 64
        for expansion, width, repeats, stride in STAGES:
            for i in range(repeats):
                blocks.append(_InvertedResidual(channels, width, expansion, stride if i == 0 else 1))
                channels = width
        self.features = nn.Sequential(*blocks)
        self.conv2 = _convolution(channels, 512, 1)
        self.gdconv = _GlobalDepthwise(512, 7)
        self.conv3 = nn.Conv2d(512, EMBEDDING_SIZE, 1)
        self.bn = nn.BatchNorm2d(EMBEDDING_SIZE)

    def feature_map(self, faces: Tensor) -> Tensor:
        """(N, 512, 7, 7) of faces of 112 pixels; of other faces another side."""
        x = (faces - self.mean) / self.deviation
        return self.conv2(self.features(self.dw_conv(self.conv1(x))))

    def embedding(self, features: Tensor) -> Tensor:
        return self.bn(self.conv3(self.gdconv(features))).flatten(1)

    def forward(self, faces: Tensor) -> Tensor:
        return self.embedding(self.feature_map(faces))
