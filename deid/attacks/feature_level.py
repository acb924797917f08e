"""Feature-level attack: away from the clean face's embedding, on views drawn anew at every step.

What carries over to recognizers that nobody asked. It knows no ranks: the cosines to the clean embeddings fall as far
as the limit lets them. Steps follow the gradient's value (I-FGVM; Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019) on
random affine views (DI; Xie et al., CVPR 2019). Signs would waste what is seen on pixels that do nothing.

A view's gradient is noise for the most part, so what all steps asked for is added up, and only the sum is brought
within the limit (dual averaging; Xiao, JMLR 11, 2010): one late view does not undo what many had agreed on. Momentum
(MI-FGSM; Dong et al., CVPR 2018) is the same idea with a short memory. What it brings: README, «One change at a time».
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from deid.losses.local_contrast import visible_limit

LikenessFn = Callable[[Tensor], Sequence[Tensor]]
"""faces (N, C, H, W) → of each network (N,), how alike the faces still are; larger is more alike."""


def feature_level(
    likeness_fn: LikenessFn,
    faces: Tensor,
    *,
    steps: int,
    stride: float,
    chroma: float,
    limit: float | None,
    start: Tensor | None = None,
) -> Tensor:
    """Perturbed faces (N, C, H, W) in [0, 1] after `steps` steps, each network's gradient weighing the same.

    faces: (N, C, H, W) clean, in [0, 1]. stride: root mean square of a step before the limit. chroma: how far a step
    follows the gradient's color, 1 all the way, 0 not at all. limit: of every pixel's change, in units of
    `visible_limit`; None: none. start: where to go on from (default: the clean faces).
    """
    perturbed = (faces if start is None else start).clone()
    asked_for = perturbed - faces
    largest = torch.full_like(faces, 1.0) if limit is None else limit * visible_limit(faces)
    for _ in range(steps):
        x = perturbed.requires_grad_(True)
        losses = [loss.sum() for loss in likeness_fn(x)]
        gradients = [torch.autograd.grad(loss, x, retain_graph=loss is not losses[-1])[0] for loss in losses]
        gradient = sum((_unit(one) for one in gradients), torch.zeros_like(faces))
        gray = gradient.mean(1, keepdim=True)
        asked_for = asked_for - stride * _unit(gray + chroma * (gradient - gray))
        perturbed = (faces + asked_for.clamp(-largest, largest)).clamp(0, 1)
    return perturbed


def _unit(maps: Tensor) -> Tensor:
    """Each of the maps (N, C, H, W) at a root mean square of 1."""
    return maps / maps.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
