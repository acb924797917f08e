"""One-to-one verification on held-out people: accuracy, true-accept rates, thresholds."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

FARS = (1e-2, 1e-3)


@dataclass(frozen=True)
class Verification:
    """accuracy: at the best threshold of balanced pairs; thresholds and true_accept_rates: at each FAR of FARS."""

    accuracy: float
    thresholds: tuple[float, ...]
    true_accept_rates: tuple[float, ...]
    genuine_pairs: int
    impostor_pairs: int
    impostor_mean: float
    impostor_sd: float

    def __str__(self) -> str:
        rates = ", ".join(f"{t:.3f} at FAR {far:g}" for far, t in zip(FARS, self.true_accept_rates, strict=True))
        return f"accuracy {100 * self.accuracy:.1f} %, true accepts {rates}"


def verify(embeddings: Tensor, names: tuple[str, ...]) -> Verification:
    """All pairs of embeddings (N, D) with the person of each, compared by cosine."""
    unit = torch.nn.functional.normalize(embeddings).numpy()
    scores = unit @ unit.T
    people = np.array(names)
    same = people[:, None] == people[None]
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    genuine, impostor = scores[same & upper], scores[~same & upper]
    thresholds = tuple(float(np.quantile(impostor, 1 - far)) for far in FARS)
    grid = np.quantile(np.concatenate([genuine, impostor]), np.linspace(0, 1, 4001))
    accuracy = max((np.mean(genuine >= t) + np.mean(impostor < t)) / 2 for t in grid)
    return Verification(
        accuracy=float(accuracy),
        thresholds=thresholds,
        true_accept_rates=tuple(float(np.mean(genuine > t)) for t in thresholds),
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        impostor_mean=float(impostor.mean()),
        impostor_sd=float(impostor.std()),
    )
