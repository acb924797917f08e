"""JSMA: Jacobian-based Saliency Map Attack (Papernot and others, EuroS&P 2016), L0, targeted.

One pixel a step: the one whose change helps the target most and the others least (eq. 8, and 9 for pixels that get
darker), as far as it may go. The paper's search over pairs of pixels takes n² comparisons a step, for a face of
128 × 128 pixels 10⁸: here a pixel is chosen by itself. Gradients are of the logits.
"""

import torch
from torch import Tensor

from deid.attacks.contract import Attack, Objective
from deid.attacks.loop import Iterate, gradient_attack


def saliency(targets: Tensor) -> Objective:
    """The objective of this attack, two terms: the target's logit, negative, and the sum of all others'."""

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        target = logits.gather(1, targets[rows, None])[:, 0]
        return -target, logits.sum(1) - target

    return objective


def jsma(*, change: float = 1.0) -> Attack:
    """change: θ, of one pixel (of one color) at a step, with pixels in [0, 1]."""

    def rule(at: Iterate) -> Tensor:
        noise = at.faces - at.clean
        toward, others = -at.gradients[0], at.gradients[1]
        changed = at.within(noise + change * toward.sign())
        score = (-toward * others).where(changed != noise, -torch.inf).flatten(1)
        helps, pixel = score.max(1, keepdim=True)
        chosen = torch.zeros_like(score, dtype=torch.bool).scatter(1, pixel, helps > 0)
        return changed.where(chosen.view_as(noise), noise)

    return gradient_attack(lambda faces, start, visibility: rule)
