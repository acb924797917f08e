"""dlib's face recognition ResNet as a torch module (Davis King, 2017; CC0; 29 convolutions, 128-d).

The weights are read out of the installed package `face_recognition_models` by a small parser of dlib's
serialization, so that no C++ is needed and a gradient reaches the pixels. Same person: Euclidean distance
under 0.6. The network is a *teacher* of the shipped LightCNN, so it is «related» to it, never independent.
"""

import hashlib
import importlib.util
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
FILE = Path("models") / "dlib_face_recognition_resnet_model_v1.dat"

# dlib's input layer subtracts these means (of 0..255 RGB) and divides by 256.
MEANS = (122.782, 117.001, 104.298)

# (channels, is a down block) of the residual blocks, from input to output.
BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True)] + [(64, False)] * 3,
    *[(128, True)] + [(128, False)] * 2,
    *[(256, True)] + [(256, False)] * 2,
    (256, True),
)


def weights_file() -> Path:
    """Where the installed package keeps the network; found without importing it (its import needs pkg_resources).

    Raises FileNotFoundError where the package or the file is missing.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / FILE).is_file():
            return path
    raise FileNotFoundError("dlib's network is missing: pip install face_recognition_models")


class _Affine(nn.Module):
    """dlib's `affine_`: a frozen batch normalization, gain and shift a channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain[:, None, None] + self.shift[:, None, None]


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Sequential:
    # dlib pads a stride-1 convolution by half its kernel, a stride-2 one not at all.
    padding = kernel // 2 if stride == 1 else 0
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding)
    return nn.Sequential(conv, _Affine(channels_out))


class _Block(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, down: bool) -> None:
        super().__init__()
        self.down = down
        self.conv1 = _convolution(channels_in, channels_out, 3, 2 if down else 1)
        self.conv2 = _convolution(channels_out, channels_out, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.down:
            x = F.avg_pool2d(x, 2)
        # add_prev zero-pads whichever of the two is smaller, in channels, rows and columns.
        channels, rows, columns = (max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True))
        return F.relu(_zero_pad(x, channels, rows, columns) + _zero_pad(y, channels, rows, columns))


def _zero_pad(x: Tensor, channels: int, rows: int, columns: int) -> Tensor:
    return F.pad(x, (0, columns - x.shape[3], 0, rows - x.shape[2], 0, channels - x.shape[1]))


class DlibResNet(nn.Module):
    """Aligned RGB faces (N, 3, 150, 150) in [0, 1] → embeddings (N, 128)."""

    means: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", torch.tensor(MEANS)[:, None, None], persistent=False)
        self.stem = _convolution(3, 32, 7, 2)
        channels_in = (32, *(channels for channels, _ in BLOCKS))
        self.blocks = nn.Sequential(
            *(_Block(before, after, down) for before, (after, down) in zip(channels_in, BLOCKS, strict=False))
        )
        self.fc = nn.Linear(256, 128, bias=False)

    def forward(self, faces: Tensor) -> Tensor:
        x = (faces * 255 - self.means) / 256
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2)
        return self.fc(self.blocks(x).mean((2, 3)))


def load(path: Path | None = None) -> DlibResNet:
    """The network with dlib's own weights, in eval mode.

    Raises FileNotFoundError where the file is missing, ValueError where it is not the file this parser knows.
    """
    data = (path or weights_file()).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{path or weights_file()} is not the dlib network this program knows (SHA-256 differs)")
    network = DlibResNet()
    layers = _tensors(data)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                _fill(next(layers), module.weight, module.bias)
            elif isinstance(module, _Affine):
                _fill(next(layers), module.gain, module.shift)
            elif isinstance(module, nn.Linear):
                # dlib stores inputs × outputs.
                module.weight.copy_(torch.from_numpy(next(layers)).reshape(256, 128).T)
    network.means.copy_(torch.tensor(_input_means(data))[:, None, None])
    return network.eval().requires_grad_(False)


def _fill(values: np.ndarray, *parameters: Tensor | None) -> None:
    """Lay one flat vector over the parameters, in order."""
    at = 0
    for parameter in parameters:
        if parameter is not None:
            part = values[at : at + parameter.numel()]
            parameter.copy_(torch.from_numpy(part).reshape(parameter.shape))
            at += parameter.numel()
    if at != values.size:
        raise ValueError(f"a layer of {values.size} values where {at} were expected")


def _tensors(data: bytes) -> Iterator[np.ndarray]:
    """The parameter vectors of all `con_`, `affine_` and `fc_` layers, in file order (input to output), float32."""
    ahead = {name: data.find(name) for name in (b"con_4", b"affine_", b"fc_2")}  # where the next of each begins
    while found := {name: start for name, start in ahead.items() if start >= 0}:
        name = min(found, key=found.__getitem__)
        at = found[name] + len(name)
        if name == b"fc_2":  # its outputs and inputs stand before its tensor
            for _ in range(2):
                _, at = _integer(data, at)
        version, at = _integer(data, at)
        if version != 2:
            raise ValueError(f"tensor version {version} in dlib's file, 2 expected")
        size = 1
        for _ in range(4):
            extent, at = _integer(data, at)
            size *= extent
        yield np.frombuffer(data, "<f4", size, at).copy()
        at += 4 * size
        ahead |= {name: data.find(name, at) for name, start in found.items() if start < at}


def _input_means(data: bytes) -> list[float]:
    """The channel means of dlib's input layer, stored as mantissa × 2^exponent."""
    name = b"input_rgb_image_sized"
    at = data.index(name) + len(name)
    means = []
    for _ in MEANS:
        mantissa, at = _integer(data, at)
        exponent, at = _integer(data, at)
        means.append(mantissa * 2.0**exponent)
    return means


def _integer(data: bytes, at: int) -> tuple[int, int]:
    """dlib's integer at `at` (a byte with sign bit and byte count, then little-endian bytes) and where it ends."""
    (head,) = struct.unpack_from("B", data, at)
    count = head & 0x0F
    value = int.from_bytes(data[at + 1 : at + 1 + count], "little")
    return (-value if head & 0x80 else value), at + 1 + count
