"""Where networks run."""

import torch

from deid.errors import UsageError


def device_for(wanted: str) -> str:
    """auto, cpu or cuda → cpu or cuda. Raises UsageError."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, not {wanted}")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for, and there is none here")
    return wanted
