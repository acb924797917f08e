"""Warnings before a defense is believed: gradients that mislead an attack are no robustness.

That gradients can be shattered, random or vanishing, and that attacks then fail for that reason alone: Athalye,
Carlini, Wagner, ICML 2018. To look for it by itself before an evaluation is AutoAttack's idea (Croce, Hein, ICML 2020).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.attacks.classification import lead_of
from deid.defenses.contract import Defended

SHARE = 0.1  # of the photos, from which on a finding is reported
# Below it float32 loses digits, and soon everything. A network that is merely sure of itself stays far above: an attack
# can follow a cross-entropy of 1e-10.
LEAST = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Finding:
    """name: «random», «zero» or «vanishing» gradients. share: of the photos, in [0, 1]. text: what it means for who
    attacks.
    """

    name: str
    share: float
    text: str

    def __str__(self) -> str:
        return f"{self.name} gradients at {100 * self.share:.0f} % of the photos: {self.text}"


def findings(defended: Defended, photos: Tensor, labels: Tensor) -> tuple[Finding, ...]:
    """What makes a gradient attack on it say too little; nothing, where nothing was found.

    photos: (N, C, H, W) in [0, 1], some dozens of what is to be attacked; labels: (N,), their true classes.

    random: asked twice, it answers with other scores. zero: no gradient of the scores reaches the pixels, or what
    does is zero or no number. vanishing: the scores have a gradient, but beside it that of their cross-entropy
    underflows in float32.
    """
    once, twice = (_scores(defended, photos) for _ in range(2))
    of_scores = _gradient_lengths(defended, photos, labels, _lead)
    of_loss = _gradient_lengths(defended, photos, labels, _cross_entropy)
    is_zero = (of_scores == 0) | ~of_scores.isfinite()
    found = (
        ("random", (once != twice).any(1), "attack its expectation, over several draws"),
        ("zero", is_zero, "attack a differentiable stand-in of the defense"),
        ("vanishing", ~is_zero & ~(of_loss > LEAST * of_scores), "attack differences of scores, not cross-entropy"),
    )
    shares = ((name, float(is_so.float().mean()), text) for name, is_so, text in found)
    return tuple(Finding(name, share, text) for name, share, text in shares if share >= SHARE)


@torch.no_grad()
def _scores(defended: Defended, photos: Tensor) -> Tensor:
    return defended.scores(photos)


def _lead(scores: Tensor, labels: Tensor) -> Tensor:
    """Of the true class over the best other one."""
    return lead_of(scores[:, :-1], labels)


def _cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores, labels, reduction="none")


def _gradient_lengths(
    defended: Defended, photos: Tensor, labels: Tensor, of: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """L2, (N,); 0 where nothing reaches the pixels."""
    x = photos.detach().clone().requires_grad_(True)
    value = of(defended.scores(x), labels).sum()
    gradient = torch.autograd.grad(value, x, allow_unused=True)[0] if value.requires_grad else None
    return (torch.zeros_like(x) if gradient is None else gradient).double().flatten(1).norm(dim=1)
