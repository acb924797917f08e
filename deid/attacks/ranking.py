"""What K-A³ and I-FGVM share: the ranking objective, and the length of a step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deid.anonymity.conditions import NO_TARGET
from deid.attacks.loop import Iterate

# Shares of Polyak's step: a little short at first for little noise, over-relaxed later for the faces that are hard to
# settle.
FIRST_STRIDE, STRIDE_GROWTH, LAST_STRIDE = 0.8, 1.06, 1.6


@dataclass(frozen=True, eq=False)
class RankingObjective:
    """`ranking_loss` of a batch, see there.

    targets: (N, T), r(2..k) of each face, or (N, V, T), each view its own.
    margin: in logits.
    exact: bool (N, V), or one for all: whether everyone else is to lie below the true identity.
    """

    targets: Tensor
    margin: float
    exact: Tensor | bool = True

    def __call__(self, logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        exact = self.exact[rows] if isinstance(self.exact, Tensor) else self.exact
        return ranking_loss(logits, labels, self.targets[rows], self.margin, exact)


def ranking_loss(
    logits: Tensor,
    labels: Tensor,
    targets: Tensor,
    margin: float,
    exact: Tensor | bool = True,
) -> Tensor:
    """How far the order is from «r(2..k) above y, everyone else below y», per face: (n,), 0 when it holds.

    logits: (n, M) or (n, V, M), the views are summed.
    labels: (n,).
    targets: (n, T), r(2), …, r(k), padded with -1, or (n, V, T), each view its own.
    exact: False, or where it is False of bool (n, V), leaves out «everyone else below y», as the paper does.

    The paper sums a classification loss over r(2..k). A hinge on differences to y has the same minimizers of interest,
    is zero exactly when the order is reached, so that a step's length can be computed from its value, and it
    also holds everyone else below y, without which the rank would be k or more, not k.
    """
    logits = logits if logits.ndim == 3 else logits[:, None]
    views = logits.shape[1]
    true = logits.gather(2, labels[:, None, None].expand(-1, views, 1))
    targets = targets if targets.ndim == 3 else targets[:, None].expand(-1, views, -1)
    is_target = targets != NO_TARGET
    index = targets.clamp(min=0)
    above = (true + margin - logits.gather(2, index)).relu() * is_target
    aside = torch.zeros_like(logits, dtype=torch.bool).scatter(2, labels[:, None, None].expand(-1, views, 1), True)
    aside = aside.scatter(2, torch.where(is_target, index, labels[:, None, None]), True)
    below = (logits.masked_fill(aside, -torch.inf) + margin - true).relu()
    return above.sum((1, 2)) + (below.sum(2) * exact).sum(1)


def polyak_step(at: Iterate, direction: Tensor) -> Tensor:
    """What to take off the faces, (n, C, H, W), so that the linearized loss is gone, or a share of it (Polyak, 1969).

    direction: (n, C, H, W), along which; the gradient itself, or what of it is seen least.
    """
    slope = (direction * at.gradient).sum((1, 2, 3)).clamp(min=1e-12)
    stride = min(LAST_STRIDE, FIRST_STRIDE * STRIDE_GROWTH**at.step)
    return (stride * at.loss / slope)[:, None, None, None] * direction
