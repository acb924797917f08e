"""How a defended classifier answers to attacked photos, counted as the K-A³ paper counts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deid.anonymity.intervals import Estimate, proportion
from deid.defenses.contract import ADVERSARIAL


@dataclass(frozen=True)
class Outcomes:
    """Shares that sum up to 1.

    success: of the attack: the answer is another class.
    failed: F: the answer is the true class.
    detected: D: the answer is «adversarial».
    """

    success: Estimate
    failed: Estimate
    detected: Estimate


def outcomes_of(answers: Tensor, labels: Tensor) -> Outcomes:
    """answers: (N,), of `Defended.answers`; labels: (N,), the true classes."""
    detected, failed = answers == ADVERSARIAL, answers == labels
    counts = (~(detected | failed), failed, detected)
    return Outcomes(*(proportion(int(torch.count_nonzero(count)), len(labels)) for count in counts))
