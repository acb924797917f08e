"""Where networks run."""

import torch

from deid.errors import UsageError


def device_for(choice: str) -> str:
    """auto, cpu or cuda → cpu or cuda. Raises UsageError, also for a cuda that is not there."""
    if choice == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if choice not in ("cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, not {choice}")
    if choice == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for, and there is none here")
    return choice
