"""Feature-level attack: away from the clean face's embedding, on views drawn anew at every step.

What carries over to recognizers that nobody asked. It knows no ranks: the cosines to the clean embeddings fall as far
as the limit lets them. Steps follow the gradient's value (I-FGVM; Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019) on
random affine views (DI; Xie et al., CVPR 2019). Signs would waste what is seen on pixels that do nothing.

A view's gradient is noise for the most part, so what all steps asked for is added up, and only the sum is brought
within the limit (dual averaging; Xiao, JMLR 11, 2010): one late view does not undo what many had agreed on. Momentum
(MI-FGSM; Dong et al., CVPR 2018) is the same idea with a short memory.
"""

import torch
from torch import Tensor

from deid.attacks.contract import Attack
from deid.attacks.loop import Iterate, StepRule, gradient_attack


def likeness(likenesses: tuple[Tensor, ...], labels: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
    """The objective of this attack: each network's likeness (n,) is a term of its own."""
    return likenesses


def feature_level(*, stride: float, chroma: float) -> Attack:
    """The attack with such steps; the gradients of its objective's terms weigh the same, whatever their size.

    Its `logits_fn` gives in place of logits how alike each network still finds the faces, (n,) each; larger is more
    alike.

    stride: root mean square of a step, before the limit.
    chroma: how far a step follows the gradient's color, 1 all the way, 0 not at all.
    """

    def rule_for(faces: Tensor, start: Tensor | None) -> StepRule:
        asked_for = (faces if start is None else start) - faces

        def rule(at: Iterate) -> Tensor:
            gradient = sum((_unit(gradient) for gradient in at.gradients), torch.zeros_like(at.faces))
            gray = gradient.mean(1, keepdim=True)
            asked_for[at.rows] -= stride * _unit(gray + chroma * (gradient - gray))
            return asked_for[at.rows]

        return rule

    return gradient_attack(rule_for)


def _unit(maps: Tensor) -> Tensor:
    """Each of the maps (N, C, H, W) at a root mean square of 1."""
    return maps / maps.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
