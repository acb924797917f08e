"""Decoys: the Gaussian of a recognizer's embeddings over training people, of which synthetic identities are drawn.

Only its mean and a covariance factor are stored, so that no real person's template ships.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

DECOYS = 1000


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
    """Synthetic identities, unit vectors (count, D), from a Gaussian that `fit_gaussian` fitted and that was saved."""
    fitted = load_file(file)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(count, fitted["factor"].shape[1], generator=generator)
    return F.normalize(fitted["mean"].float() + noise @ fitted["factor"].float().T)
