"""What a network is trained to make small; the defenses that are trained into a network change nothing else."""

from typing import Protocol

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F


class Loss(Protocol):
    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        """A batch's mean loss, a scalar whose gradient reaches the network's weights.

        network: inputs (n, …), photos in [0, 1] unless it begins behind other layers, → logits (n, M).
        labels: int64 (n,).
        rng: of what it draws.

        Its repr tells it from other losses: a trained network is kept under it.
        """
        ...


def plain(network: nn.Module, inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Cross-entropy."""
    return F.cross_entropy(network(inputs).float(), labels)
