"""MobileFaceNet with PReLU, as TensorFlow computes it."""

import torch
from torch.nn import functional as F

from deid.recognizers.margin_mobilefacenet import MarginMobileFaceNet


def test_it_is_tensorflows_network() -> None:
    """Against sums over windows, padded by TensorFlow's rule for SAME: what is odd goes below and to the right."""
    torch.manual_seed(0)
    network = MarginMobileFaceNet().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.1)
    faces = torch.rand(1, 3, 112, 112)
    x = convolved(network.stem, (faces[0] * 255 - 127.5) / 128, 2)
    x = plain(network.pointwise, depthwise(network.depthwise, x, 1))
    strides = [2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1]  # of the 15 blocks
    for block, stride in zip(network.blocks, strides, strict=True):
        out = plain(block.project, depthwise(block.depthwise, plain(block.expand, x), stride))
        x = x + out if out.shape == x.shape else out
    x = plain(network.widen, x)
    assert x.shape == (512, 7, 7)
    x = torch.einsum("cyx,cyx->c", x, network.gather.weight[:, 0]) + network.gather.bias
    for linear in (network.mix, network.embed):
        x = linear.weight[:, :, 0, 0] @ x + linear.bias
    assert x.shape == (192,)
    assert torch.allclose(network(faces)[0], x, atol=1e-4 * float(x.abs().max()))


def activated(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    if isinstance(layer.act, torch.nn.Identity):
        return x
    return torch.where(x > 0, x, x * layer.act.weight[:, None, None])


def convolved(layer: torch.nn.Module, x: torch.Tensor, stride: int) -> torch.Tensor:
    x = torch.einsum("cyxij,ocij->oyx", windows(x, stride), layer.conv.weight) + layer.conv.bias[:, None, None]
    return activated(layer, x)


def depthwise(layer: torch.nn.Module, x: torch.Tensor, stride: int) -> torch.Tensor:
    x = torch.einsum("cyxij,cij->cyx", windows(x, stride), layer.conv.weight[:, 0]) + layer.conv.bias[:, None, None]
    return activated(layer, x)


def plain(layer: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = torch.einsum("cyx,oc->oyx", x, layer.conv.weight[:, :, 0, 0]) + layer.conv.bias[:, None, None]
    return activated(layer, x)


def windows(maps: torch.Tensor, stride: int) -> torch.Tensor:
    """(C, H, W) → (C, h, w, 3, 3)."""
    side = maps.shape[-1]
    total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
    before, after = total // 2, total - total // 2
    return F.pad(maps, (before, after, before, after)).unfold(1, 3, stride).unfold(2, 3, stride)
