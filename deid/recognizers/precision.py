"""bfloat16 where only a gradient is needed: attacks and training."""

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def bfloat16_autocast(device: str | torch.device) -> torch.autocast:
    """Autocast to bfloat16 where the hardware multiplies it, float32 elsewhere."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=has_bfloat16(device))


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has_bfloat16 = getattr(torch.cpu, "_is_avx512_bf16_supported", torch.cpu._is_amx_tile_supported)  # torch 2.11
    return kind == "cpu" and has_bfloat16()


def bfloat16_copy(network: nn.Module) -> nn.Module:
    """A frozen copy for `bfloat16_autocast`, which would convert float32 weights again at every call.

    FaceNet's batch normalizations are folded into its convolutions.
    """
    network = copy.deepcopy(network)
    for module in network.modules():
        conv, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):  # FaceNet's layers
            module.conv, module.bn = fuse_conv_bn_eval(conv, norm), nn.Identity()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.bfloat16()
    return network.requires_grad_(False).to(memory_format=torch.channels_last)
