"""An unfinished training on disk, taken up again after an interruption."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from deid.errors import UsageError
from deid.storage.atomic import write_atomically


def save_state(
    file: Path, key: str, network: nn.Module, optimizers: Sequence[torch.optim.Optimizer], step: int
) -> None:
    """key: what the training comes from; step: how many are done. Raises CannotWrite."""
    state: dict[str, Any] = {
        "key": key, "network": network.state_dict(), "step": step,
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }  # fmt: skip
    data = io.BytesIO()
    torch.save(state, data)
    write_atomically(data.getvalue(), file, overwrite=True)


def load_state(file: Path, key: str, network: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> int:
    """The step that it was saved after; 0 without a file. Raises UsageError where it is of another training."""
    if not file.is_file():
        return 0
    state = torch.load(file, map_location="cpu", weights_only=True)
    if state["key"] != key:
        raise UsageError(f"{file} is of other data or another training: choose another folder")
    network.load_state_dict(state["network"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])
