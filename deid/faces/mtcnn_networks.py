"""MTCNN's three networks, from proposals to faces, with the weights that ship inside facenet-pytorch.

(Zhang, Zhang, Li, Qiao, IEEE Signal Processing Letters 23, 2016; ported from D. Sandberg's by T. Esler,
github.com/timesler/facenet-pytorch, MIT.) That package is not imported: it brings torchvision, which takes seconds.
Layers are called as in its files.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.errors import CheckpointError

Network = TypeVar("Network", bound=nn.Module)


def _pooled(x: Tensor, size: int) -> Tensor:
    return F.max_pool2d(x, size, stride=2, ceil_mode=True)


def _flat(x: Tensor) -> Tensor:
    """Column by column, as the weights expect it."""
    return x.permute(0, 3, 2, 1).flatten(1)


class ProposalNetwork(nn.Module):
    """Pictures (N, 3, H, W) in [-1, 1) → the probabilities (N, h, w) that a square of 12 pixels holds a face, and how
    far the face's box (left, top, right, bottom) is from that square, in sides (N, 4, h, w). The squares begin at every
    second pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1 = nn.Conv2d(32, 2, 1)
        self.conv4_2 = nn.Conv2d(32, 4, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = _pooled(self.prelu1(self.conv1(pictures)), 2)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_1(x).softmax(1)[:, 1], self.conv4_2(x)


class RefinementNetwork(nn.Module):
    """Squares (N, 3, 24, 24) in [-1, 1) → the probability of a face (N,) and how far its box is from the square (N, 4).

    As `ProposalNetwork`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)
        self.dense5_2 = nn.Linear(128, 4)

    def forward(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        x = _pooled(self.prelu1(self.conv1(squares)), 3)
        x = _pooled(self.prelu2(self.conv2(x)), 3)
        x = self.prelu4(self.dense4(_flat(self.prelu3(self.conv3(x)))))
        return self.dense5_1(x).softmax(1)[:, 1], self.dense5_2(x)


class OutputNetwork(nn.Module):
    """Squares (N, 3, 48, 48) in [-1, 1) → the probability of a face (N,), how far its box is from the square (N, 4),
    and its five landmarks in the square, in sides: all x, then all y (N, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)
        self.dense6_2 = nn.Linear(256, 4)
        self.dense6_3 = nn.Linear(256, 10)

    def forward(self, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = _pooled(self.prelu1(self.conv1(squares)), 3)
        x = _pooled(self.prelu2(self.conv2(x)), 3)
        x = _pooled(self.prelu3(self.conv3(x)), 2)
        x = self.prelu5(self.dense5(_flat(self.prelu4(self.conv4(x)))))
        return self.dense6_1(x).softmax(1)[:, 1], self.dense6_2(x), self.dense6_3(x)


@dataclass(frozen=True, eq=False)
class Networks:
    """The three, in the order in which they are asked."""

    proposal: ProposalNetwork
    refinement: RefinementNetwork
    output: OutputNetwork


def load_networks(device: torch.device) -> Networks:
    """In eval mode. Raises CheckpointError where the package that keeps the weights is not installed."""
    return Networks(
        _loaded(ProposalNetwork(), "pnet.pt", device),
        _loaded(RefinementNetwork(), "rnet.pt", device),
        _loaded(OutputNetwork(), "onet.pt", device),
    )


def _loaded(network: Network, name: str, device: torch.device) -> Network:
    network.load_state_dict(torch.load(_weights_file(name), map_location="cpu", weights_only=True))
    # A CPU pools maps several times faster in channels_last.
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _weights_file(name: str) -> Path:
    spec = importlib.util.find_spec("facenet_pytorch")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / "data" / name).is_file():
            return path
    raise CheckpointError(f"MTCNN's weights ({name}) are missing: pip install facenet-pytorch")
