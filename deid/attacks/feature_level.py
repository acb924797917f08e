"""Feature-level attack: away from the clean face's embedding, on views drawn anew at every step.

What carries over to recognizers that nobody asked. It knows no ranks: the cosines to the clean embeddings fall as far
as the limit lets them. Steps follow the gradient's value (I-FGVM; Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019)
with momentum (MI-FGSM; Dong et al., CVPR 2018), on random affine views (DI; Xie et al., CVPR 2019). Signs would waste
what is seen on pixels that do nothing.
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
    momentum: float,
    chroma: float,
    limit: float | None,
    start: Tensor | None = None,
) -> Tensor:
    """Perturbed faces (N, C, H, W) in [0, 1] after `steps` steps, each network's gradient weighing the same.

    faces: (N, C, H, W) clean, in [0, 1]. stride: root mean square of a step. momentum: share of the last direction in
    the next one, in [0, 1). chroma: how far a step follows the gradient's color, 1 all the way, 0 not at all: a tint is
    seen sooner than SSIM tells. limit: of every pixel's change, in units of `visible_limit`; None: none. start: where
    to go on from (default: the clean faces).
    """
    perturbed, direction = (faces if start is None else start).clone(), torch.zeros_like(faces)
    largest = torch.full_like(faces, 1.0) if limit is None else limit * visible_limit(faces)
    for _ in range(steps):
        x = perturbed.requires_grad_(True)
        losses = [loss.sum() for loss in likeness_fn(x)]
        gradients = [torch.autograd.grad(loss, x, retain_graph=loss is not losses[-1])[0] for loss in losses]
        gradient = sum((_unit(one) for one in gradients), torch.zeros_like(faces))
        gray = gradient.mean(1, keepdim=True)
        gradient = gray + chroma * (gradient - gray)
        direction = momentum * direction + (1 - momentum) * _unit(gradient)
        noise = (x.detach() - stride * _unit(direction) - faces).clamp(-largest, largest)
        perturbed = (faces + noise).clamp(0, 1)
    return perturbed


def _unit(maps: Tensor) -> Tensor:
    """Each of the maps (N, C, H, W) at a root mean square of 1."""
    return maps / maps.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
