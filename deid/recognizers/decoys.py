"""Decoys: synthetic identities, drawn from a Gaussian that is fitted to a recognizer's embeddings of real people.

Only the Gaussian's mean and a factor of its covariance are stored, so that no real person's template ships.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

DECOYS = 1000  # synthetic identities in a gallery


def fit_gaussian(embeddings: Tensor) -> dict[str, Tensor]:
    """embeddings (N, D) of N different people → {"mean": (D,), "factor": (D, D)}, float32.

    They are scaled to unit length first. factor @ factor.T is the covariance.
    """
    unit = F.normalize(embeddings.double())
    mean = unit.mean(0)
    centered = unit - mean
    values, vectors = torch.linalg.eigh(centered.T @ centered / (len(unit) - 1))
    factor = (vectors * values.clamp(min=0).sqrt()).contiguous()
    return {"mean": mean.float(), "factor": factor.float()}


def draw_decoys(file: Path, seed: int, count: int = DECOYS) -> Tensor:
    """Synthetic identities, unit vectors (count, D); `file`: what `fit_gaussian` gave, as safetensors."""
    gaussian = load_file(file)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, gaussian["factor"].shape[1], generator=generator)
    return F.normalize(gaussian["mean"].float() + noise @ gaussian["factor"].float().T)
