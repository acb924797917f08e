"""MobileNet as TensorFlow computes it."""

import torch
from torch.nn import functional as F

from deid.recognizers.mobilenet import STAGES, MobileNet


def test_it_is_tensorflows_network() -> None:
    """Against sums over windows, padded by TensorFlow's rule for SAME: what is odd goes below and to the right."""
    torch.manual_seed(0)
    network = MobileNet().eval().requires_grad_(False)
    faces = torch.rand(1, 3, 64, 64)
    x = faces[0].flip(0) * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    x = torch.einsum("cyxij,ocij->oyx", windows(x, 2), network.stem.weight) + network.stem.bias[:, None, None]
    for block, (_, stride) in zip(network.blocks, STAGES, strict=True):
        wide, point = block.depthwise, block.pointwise
        x = torch.einsum("cyxij,cij->cyx", windows(x.clamp(0, 6), stride), wide.weight[:, 0]) + wide.bias[:, None, None]
        x = torch.einsum("cyx,oc->oyx", x.clamp(0, 6), point.weight[:, :, 0, 0]) + point.bias[:, None, None]
    assert torch.allclose(network(faces)[0], x.clamp(0, 6).mean((1, 2)), atol=1e-5)


def windows(maps: torch.Tensor, stride: int) -> torch.Tensor:
    """(C, H, W) → (C, h, w, 3, 3)."""
    side = maps.shape[-1]
    total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
    before, after = total // 2, total - total // 2
    return F.pad(maps, (before, after, before, after)).unfold(1, 3, stride).unfold(2, 3, stride)
