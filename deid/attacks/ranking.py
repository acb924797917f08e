"""The ranking loss that K-A³ and I-FGVM share, and the record of which faces are done."""

from collections.abc import Callable

import torch
from torch import Tensor

from deid.anonymity.conditions import NO_TARGET

# faces (n, C, H, W), rows (n,): which of the batch's faces these are → logits (n, M), or (n, V, M) for V views of
# each face. A plain model is `lambda faces, rows: model(faces)`.
LogitsFn = Callable[[Tensor, Tensor], Tensor]


def ranking_loss(
    logits: Tensor,
    labels: Tensor,
    targets: Tensor,
    margin: float,
    ceiling: float | None = None,
    exact: Tensor | bool = True,
) -> Tensor:
    """How far the order is from «r(2..k) above y, everyone else below y», per face: (n,), 0 when it holds.

    logits: (n, M) or (n, V, M), the views are summed; labels: (n,); targets: (n, T), r(2), …, r(k), padded with -1,
    or (n, V, T), each view its own.
    ceiling: where given, y's own logit is to lie below it as well: a comparison of two faces knows no others. exact:
    False, or where it is False of bool (n, V), leaves out «everyone else below y», as the paper does.

    The paper sums a classification loss over r(2..k). A hinge on differences to y has the same minimizers of interest,
    is zero exactly when the order is reached, so that a step's length can be computed from its value, and it
    also holds everyone else below y, without which the rank would be k or more, not k.
    """
    logits = logits if logits.ndim == 3 else logits[:, None]
    views = logits.shape[1]
    true = logits.gather(2, labels[:, None, None].expand(-1, views, 1))
    targets = targets if targets.ndim == 3 else targets[:, None].expand(-1, views, -1)
    wanted = targets != NO_TARGET
    index = targets.clamp(min=0)
    above = (true + margin - logits.gather(2, index)).relu() * wanted
    aside = torch.zeros_like(logits, dtype=torch.bool).scatter(2, labels[:, None, None].expand(-1, views, 1), True)
    aside = aside.scatter(2, torch.where(wanted, index, labels[:, None, None]), True)
    below = (logits.masked_fill(aside, -torch.inf) + margin - true).relu()
    loss = above.sum((1, 2)) + (below.sum(2) * exact).sum(1)
    return loss if ceiling is None else loss + (true + margin - ceiling).relu().sum((1, 2))
