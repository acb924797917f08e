"""FaceNet: Inception-ResNet v1 for facenet-pytorch's released vggface2 and casia-webface checkpoints.

(Schroff, Kalenichenko, Philbin, CVPR 2015; the network is by Szegedy, Ioffe, Vanhoucke, Alemi, AAAI 2017; networks
trained by D. Sandberg, github.com/davidsandberg/facenet, and ported by T. Esler, github.com/timesler/facenet-pytorch,
MIT.) The one of CASIA-WebFace ships; `deid weights fetch` or `deid weights import` brings facenet-pytorch's files,
which carry the training classes' layer `logits`, too. Layers are called as there.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 0.001  # of TensorFlow's batch normalization


class _Convolution(nn.Module):
    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        padded: bool = True,
    ) -> None:
        """padded: so that a stride of 1 keeps height and width."""
        super().__init__()
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        padding = (height // 2, width // 2) if padded else 0
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(channels_out, EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _reduction(channels_in: int, channels_out: int) -> _Convolution:
    """A convolution that halves height and width."""
    return _Convolution(channels_in, channels_out, 3, 2, padded=False)


class _Branches(nn.Module):
    """Layers that see the same, called branch0, branch1, …"""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.names = [f"branch{number}" for number in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def side_by_side(self, x: Tensor, *others: Tensor) -> Tensor:
        return torch.cat([*(self.get_submodule(name)(x) for name in self.names), *others], 1)


class _Residual(_Branches):
    """x + scale × what the branches say of it; a rectifier behind that, unless it is the last one."""

    def __init__(self, *branches: nn.Module, width: int, channels: int, scale: float, last: bool = False) -> None:
        """width: the channels of all branches together; channels: of x."""
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self.scale, self.last = scale, last

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2d(self.side_by_side(x)) * self.scale + x
        return y if self.last else F.relu(y)


class _Mixed(_Branches):
    """Branches that halve height and width, beside a pooling that does."""

    def forward(self, x: Tensor) -> Tensor:
        return self.side_by_side(x, F.max_pool2d(x, 3, 2))


def _block35() -> _Residual:
    return _Residual(
        _Convolution(256, 32, 1),
        nn.Sequential(_Convolution(256, 32, 1), _Convolution(32, 32, 3)),
        nn.Sequential(_Convolution(256, 32, 1), _Convolution(32, 32, 3), _Convolution(32, 32, 3)),
        width=96,
        channels=256,
        scale=0.17,
    )


def _block17() -> _Residual:
    return _Residual(
        _Convolution(896, 128, 1),
        nn.Sequential(_Convolution(896, 128, 1), _Convolution(128, 128, (1, 7)), _Convolution(128, 128, (7, 1))),
        width=256,
        channels=896,
        scale=0.10,
    )


def _block8(scale: float, last: bool = False) -> _Residual:
    return _Residual(
        _Convolution(1792, 192, 1),
        nn.Sequential(_Convolution(1792, 192, 1), _Convolution(192, 192, (1, 3)), _Convolution(192, 192, (3, 1))),
        width=384,
        channels=1792,
        scale=scale,
        last=last,
    )


class FaceNet(nn.Module):
    """Aligned RGB faces (N, 3, 160, 160) in [0, 1] → unit embeddings (N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = _reduction(3, 32)
        self.conv2d_2a = _Convolution(32, 32, 3, padded=False)
        self.conv2d_2b = _Convolution(32, 64, 3)
        self.conv2d_3b = _Convolution(64, 80, 1)
        self.conv2d_4a = _Convolution(80, 192, 3, padded=False)
        self.conv2d_4b = _reduction(192, 256)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _Mixed(
            _reduction(256, 384),
            nn.Sequential(_Convolution(256, 192, 1), _Convolution(192, 192, 3), _reduction(192, 256)),
        )
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _Mixed(
            nn.Sequential(_Convolution(896, 256, 1), _reduction(256, 384)),
            nn.Sequential(_Convolution(896, 256, 1), _reduction(256, 256)),
            nn.Sequential(_Convolution(896, 256, 1), _Convolution(256, 256, 3), _reduction(256, 256)),
        )
        self.repeat_3 = nn.Sequential(*(_block8(0.20) for _ in range(5)))
        self.block8 = _block8(1.0, last=True)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, EPSILON)

    def forward(self, faces: Tensor) -> Tensor:
        # facenet-pytorch's fixed_image_standardization, which takes 0..255.
        x = self.conv2d_1a((faces * 255 - 127.5) / 128)
        x = F.max_pool2d(self.conv2d_2b(self.conv2d_2a(x)), 3, 2)
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(x)))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x)).mean((2, 3))
        return F.normalize(self.last_bn(self.last_linear(x)))
