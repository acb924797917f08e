"""LightCNN (Wu, He, Sun, Tan, «A Light CNN for Deep Face Representation with Noisy Labels», TIFS 2018).

Parameter names and shapes are those of the authors' released PyTorch checkpoints, so that such a file loads
strictly. All three networks take aligned luma faces (N, 1, 128, 128) in [0, 1] and give embeddings (N, 256).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDING_SIZE = 256


class _LargerHalf(torch.autograd.Function):
    """max(a, b) of the two halves of the channels; half the time of autograd's own `maximum` on a CPU.

    At a tie the gradient goes to the first half (autograd would split it).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=1)
        ctx.save_for_backward(first >= second)
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        (mask,) = ctx.saved_tensors
        first = gradient * mask
        return torch.cat([first, gradient - first], dim=1)


class MaxFeatureMap(nn.Module):
    """A convolution or linear layer of twice the width, followed by the maximum of its two halves.

    `pool` halves height and width: a maximum like the other one, so it comes first and leaves that a quarter of the
    work. `norm` is the identity in the published network; training puts a batch normalization there and folds it into
    `filter` afterwards (`fold_batch_norm`).
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear, pool: bool = False) -> None:
        super().__init__()
        self.filter = layer  # called so in the released checkpoints
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        self.norm: nn.Module = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(_LargerHalf.apply(self.pool(self.filter(x))))


class PositiveBatchNorm(nn.BatchNorm2d):
    """Batch normalization with a positive gain |weight|, which commutes with a maximum.

    So it can stand behind the maximum, where there is half as much to normalize, and still be folded into the
    layer before it. Takes (N, C, H, W) or (N, C).
    """

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self.running_mean, self.running_var
        return F.batch_norm(
            x, mean, variance, self.weight.abs(), self.bias, self.training, self.momentum or 0.1, self.eps
        )


def _mfm_conv(channels_in: int, channels_out: int, kernel: int, pool: bool = False) -> MaxFeatureMap:
    return MaxFeatureMap(nn.Conv2d(channels_in, 2 * channels_out, kernel, padding=kernel // 2), pool)


class Group(nn.Module):
    """A 1×1 max-feature-map layer (network in network) and a 3×3 one."""

    def __init__(self, channels_in: int, channels_out: int, pool: bool = False) -> None:
        super().__init__()
        self.conv_a = _mfm_conv(channels_in, channels_in, 1)
        self.conv = _mfm_conv(channels_in, channels_out, 3, pool)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.conv_a(x))


class ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _mfm_conv(channels, channels, 3)
        self.conv2 = _mfm_conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x)) + x


def _residual(blocks: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))


class LightCNN9(nn.Module):
    """The 9-layer network: 5.48 M parameters without the classifier `fc2`."""

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        pooled = nn.Identity  # the authors' files count the poolings as layers
        self.features = nn.Sequential(
            _mfm_conv(1, 48, 5, pool=True),
            pooled(),
            Group(48, 96, pool=True),
            pooled(),
            Group(96, 192, pool=True),
            pooled(),
            Group(192, 128),
            Group(128, 128, pool=True),
        )
        self.fc1 = MaxFeatureMap(nn.Linear(8 * 8 * 128, 2 * EMBEDDING_SIZE))
        if classes:
            self.fc2 = nn.Linear(EMBEDDING_SIZE, classes)

    def forward(self, faces: Tensor) -> Tensor:
        # .contiguous(): fc1's columns are ordered channel, row, column, whatever the memory format.
        return self.fc1(self.features(faces).contiguous().flatten(1))


class LightCNN29(nn.Module):
    """The 29-layer network."""

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.conv1 = _mfm_conv(1, 48, 5)
        self.block1, self.group1 = _residual(1, 48), Group(48, 96)
        self.block2, self.group2 = _residual(2, 96), Group(96, 192)
        self.block3, self.group3 = _residual(3, 192), Group(192, 128)
        self.block4, self.group4 = _residual(4, 128), Group(128, 128)
        self.fc: nn.Module = MaxFeatureMap(nn.Linear(8 * 8 * 128, 2 * EMBEDDING_SIZE))
        if classes:
            self.fc2 = nn.Linear(EMBEDDING_SIZE, classes)

    def pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)

    def forward(self, faces: Tensor) -> Tensor:
        x = self.pool(self.conv1(faces))
        x = self.pool(self.group1(self.block1(x)))
        x = self.pool(self.group2(self.block2(x)))
        x = self.group3(self.block3(x))
        x = self.pool(self.group4(self.block4(x)))
        return self.fc(x.contiguous().flatten(1))


class LightCNN29V2(LightCNN29):
    """The 29-layer network, version 2: max and average pooling summed, a plain linear layer on top."""

    def __init__(self, classes: int = 0) -> None:
        super().__init__()
        self.fc = nn.Linear(8 * 8 * 128, EMBEDDING_SIZE)
        if classes:
            self.fc2 = nn.Linear(EMBEDDING_SIZE, classes, bias=False)

    def pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2) + F.avg_pool2d(x, 2)


def add_batch_norm(network: nn.Module) -> None:
    """Put a batch normalization behind every max-feature-map, in place, for training.

    The published network has none and trains badly from scratch.
    """
    for module in network.modules():
        if isinstance(module, MaxFeatureMap):
            module.norm = PositiveBatchNorm(module.filter.weight.shape[0] // 2)


@torch.no_grad()
def unfold_batch_norm(network: nn.Module, faces: Tensor) -> None:
    """Put batch normalizations into a finished network, in place, for training to go on; its function stays the same.

    faces: (N, 1, 128, 128), whose statistics they take. Each filter is scaled so that what is normalized has a
    deviation of one, as behind an untrained layer.
    """

    def measure(module: MaxFeatureMap, inputs: Any, output: Tensor) -> None:
        across = [axis for axis in range(output.dim()) if axis != 1]
        norm = PositiveBatchNorm(output.shape[1])
        deviation, mean = torch.std_mean(output, across)
        scale = 1 / deviation.repeat(2)
        module.filter.weight.mul_(scale.reshape(-1, *[1] * (module.filter.weight.ndim - 1)))
        if module.filter.bias is not None:
            module.filter.bias.mul_(scale)
        norm.running_mean = mean / deviation
        norm.weight.copy_(deviation * (1 + norm.eps) ** 0.5)
        norm.bias.copy_(mean)
        module.norm = norm.eval()

    layers = [module for module in network.modules() if isinstance(module, MaxFeatureMap)]
    hooks = [layer.register_forward_hook(measure) for layer in layers]
    network.eval()(faces)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def fold_batch_norm(network: nn.Module) -> None:
    """Fold every batch normalization into the layer before it, in place; the function in eval mode is the same."""
    for module in network.modules():
        if not isinstance(module, MaxFeatureMap) or not isinstance(module.norm, PositiveBatchNorm):
            continue
        norm, layer = module.norm, module.filter
        if norm.running_mean is None or norm.running_var is None or layer.bias is None:
            raise ValueError("only a layer with a bias and a normalization with running statistics can be folded")
        gain = norm.weight.abs() / torch.sqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * gain
        gain, shift = gain.repeat(2), shift.repeat(2)  # max(a, b)·g + s = max(a·g + s, b·g + s) for g > 0
        layer.weight.mul_(gain.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        layer.bias.mul_(gain).add_(shift)
        module.norm = nn.Identity()


@torch.no_grad()
def shift_embeddings(network: LightCNN9, by: Tensor) -> None:
    """Add a vector (256,) to every embedding, in place: max(a, b) + s = max(a + s, b + s)."""
    bias = network.fc1.filter.bias
    if bias is None:
        raise ValueError("only a layer with a bias can be shifted")
    bias.add_(by.repeat(2))
