"""The classifiers of the papers' tables: photos (N, C, H, W) in [0, 1] → a logit for each class, (N, classes)."""

from torch import Tensor, nn
from torch.nn import functional as F

from deid.recognizers.lightcnn import EMBEDDING_SIZE, LightCNN9

# MobileNetV2's stages: expansion, channels, blocks, first stride.
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


class FaceClassifier(nn.Module):
    """LightCNN-9 with a class for each person instead of a gallery; luma, 128 × 128.

    `lower` are the layers that fine-tuning leaves as they are, `upper` those that it changes.
    """

    def __init__(self, network: LightCNN9, classes: int, lower: int) -> None:
        super().__init__()
        self.lower = network.features[:lower].requires_grad_(False)
        self.upper: nn.Module = nn.Sequential(
            network.features[lower:], nn.Flatten(), network.fc1, nn.Linear(EMBEDDING_SIZE, classes)
        ).requires_grad_(True)

    def forward(self, photos: Tensor) -> Tensor:
        # .contiguous(): fc1's columns are ordered channel, row, column, whatever the memory format.
        return self.upper(self.lower(photos).contiguous())


def fully_connected(classes: int = 10) -> nn.Module:
    """The K-A³ paper's «FC1»: four layers, 100-dimensional features. Gray, 28 × 28."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, 400), nn.ReLU(),
        nn.Linear(400, 200), nn.ReLU(),
        nn.Linear(200, 100), nn.ReLU(),
        nn.Linear(100, classes),
    )  # fmt: skip


def lenet5(classes: int = 10) -> nn.Module:
    """LeNet-5 (LeCun, Bottou, Bengio, Haffner, 1998), with ReLU and maxima as it is used today. Gray, 28 × 28."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, classes),
    )  # fmt: skip


def robust_convolutional(classes: int = 10) -> nn.Module:
    """The small network of Wong, Schmidt, Metzen, Kolter (NeurIPS 2018). Gray, 28 × 28."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 4, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 7 * 7, 100), nn.ReLU(),
        nn.Linear(100, classes),
    )  # fmt: skip


def mobilenet_v2(classes: int = 10) -> nn.Module:
    """MobileNetV2 (Sandler and others, CVPR 2018) for 32 × 32 pixels, RGB: its first layer does not halve the side."""
    layers: list[nn.Module] = [_normalized(3, 32, 3), nn.ReLU6()]
    channels = 32
    for expansion, width, blocks, stride in STAGES:
        for block in range(blocks):
            layers.append(_InvertedResidual(channels, width, 1 if block else stride, expansion))
            channels = width
    layers += [_normalized(channels, 1280, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, classes))


def resnet18(classes: int) -> nn.Module:
    """ResNet-18 (He, Zhang, Ren, Sun, CVPR 2016) for 32 × 32 pixels, RGB: the first layer is of 3 × 3."""
    layers: list[nn.Module] = [_normalized(3, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    channels = 64
    for width in (64, 128, 256, 512):
        layers += [_BasicBlock(channels, width, width // channels), _BasicBlock(width, width, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


def _normalized(channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and its batch normalization."""
    return nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(width)
    )


class _InvertedResidual(nn.Module):
    def __init__(self, channels: int, width: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = expansion * channels
        self.skips = stride == 1 and channels == width
        self.layers = nn.Sequential(
            *((_normalized(channels, wide, 1), nn.ReLU6()) if expansion > 1 else ()),
            _normalized(wide, wide, 3, stride, groups=wide), nn.ReLU6(),
            _normalized(wide, width, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skips else self.layers(x)


class _BasicBlock(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_normalized(channels, width, 3, stride), nn.ReLU(), _normalized(width, width, 3))
        self.skip = nn.Identity() if channels == width else _normalized(channels, width, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.skip(x))
