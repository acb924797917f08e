"""What attacks on a classifier make small, and when they are done: with a target, or with any label but the true one.

Logits are (n, M), labels and targets indices, (N,).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Objective


def cross_entropy(targets: Tensor | None = None) -> Objective:
    """Toward the targets; without, away from the labels."""

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        if targets is None:
            return -F.cross_entropy(logits, labels, reduction="none")
        return F.cross_entropy(logits, targets[rows], reduction="none")

    return objective


def logit_difference(targets: Tensor | None = None, confidence: float = 0.0) -> Objective:
    """f₆ of Carlini and Wagner (S&P 2017), (max_{i≠t} Z_i − Z_t + κ)⁺; without targets (Z_y − max_{i≠y} Z_i + κ)⁺.

    confidence: κ, in logits; as a hinge's margin it also serves the attacks that take Polyak's step.
    """

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        lead = lead_of(logits, labels if targets is None else targets[rows])
        return ((lead if targets is None else -lead) + confidence).relu()

    return objective


def misclassified(labels: Tensor, confidence: float = 0.0) -> Criterion:
    """Another label lies above the true one, by more than `confidence` logits. A tie fails."""
    return lambda faces, logits: lead_of(logits.detach(), labels) < -confidence


def classified_as(targets: Tensor, confidence: float = 0.0) -> Criterion:
    """The target lies above all other labels, by more than `confidence` logits. A tie fails."""
    return lambda faces, logits: lead_of(logits.detach(), targets) > confidence


def lead_of(logits: Tensor, labels: Tensor) -> Tensor:
    """By how much each label lies above the best other one, (n,)."""
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return own[:, 0] - others.amax(1)
