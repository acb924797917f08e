"""FGSM: Fast Gradient Sign Method (Goodfellow, Shlens, Szegedy, ICLR 2015).

x̃ = clip(x − ε sign ∇ₓ L): one step as long as it may be, whatever `steps` says.
"""

from typing import Any

from torch import Tensor

from deid.attacks.bim import sign_step
from deid.attacks.contract import Attack, Attacked, LogitsFn
from deid.attacks.loop import Iterate, gradient_attack


def fgsm(*, radius: float = 8 / 255) -> Attack:
    """L∞. radius: ε, of every pixel's change in [0, 1]; a limit, where one is given, takes its place."""

    def rule(at: Iterate) -> Tensor:
        return sign_step(at, radius, 1.0)

    one_step = gradient_attack(lambda faces, start, visibility: rule)

    def attack(logits_fn: LogitsFn, faces: Tensor, labels: Tensor, *, steps: int, **asked: Any) -> Attacked:
        return one_step(logits_fn, faces, labels, steps=min(steps, 1), **asked)

    return attack
