"""Defensive distillation (Papernot, McDaniel, Wu, Jha, Swami, S&P 2016): the historical baseline that hides gradients.

Teacher and student learn at a temperature T and are asked at 1: their logits are T times as far apart as others', and
the cross-entropy that an attack would follow is zero in floating point, its gradient too. The boundaries are about
where they were, and an attack on differences of logits finds them (Carlini, Wagner, S&P 2017).
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class AtTemperature:
    """Of the teacher: cross-entropy of logits / T."""

    temperature: float

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        return F.cross_entropy(network(inputs).float() / self.temperature, labels)


@dataclass(frozen=True)
class FromTeacher:
    """Of the student: cross-entropy to what the teacher says of the same inputs, both at logits / T.

    teacher: in eval mode; sha256: of its file.
    """

    temperature: float
    sha256: str
    teacher: nn.Module = field(repr=False, compare=False)

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        with torch.no_grad():
            said = (self.teacher(inputs).float() / self.temperature).softmax(1)
        return F.cross_entropy(network(inputs).float() / self.temperature, said)
