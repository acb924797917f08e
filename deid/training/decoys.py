"""Decoys: the Gaussian of a recognizer's embeddings over training people, of which synthetic identities are drawn.

Only its mean and a covariance factor are stored, so that no real person's template ships.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


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
