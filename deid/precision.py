"""In what numbers networks are run where only a gradient is wanted: attacks and training."""

import torch


def reduced(device: str | torch.device) -> torch.autocast:
    """bfloat16 where the hardware multiplies it; elsewhere it is emulated, and slower than float32."""
    kind = torch.device(device).type
    if kind == "cuda":
        multiplies = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        multiplies = kind == "cpu" and torch.cpu._is_amx_tile_supported()
    return torch.autocast(kind, torch.bfloat16, enabled=multiplies)
