"""Universal perturbations (Moosavi-Dezfooli, Fawzi, Fawzi, Frossard, CVPR 2017): one for all faces.

Another type than the other attacks: it is fitted to faces, and laid on others. Face by face, what DeepFool adds to
cross the nearest hyperplane is added to all, and the sum is brought back within ε.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deid.attacks.classification import misclassified
from deid.attacks.contract import LogitsFn
from deid.attacks.deepfool import deepfool, rivals
from deid.attacks.draws import generator_of
from deid.attacks.eight_bits import rounded

Norm = Literal["l2", "linf"]


@dataclass(frozen=True, eq=False)
class UniversalPerturbation:
    """noise: (C, H, W), in [−1, 1]. fooled: the share of the faces it was fitted to that are classified otherwise."""

    noise: Tensor
    fooled: float

    def on(self, faces: Tensor, *, eight_bits: bool = False) -> Tensor:
        """Faces (N, C, H, W) with it, in [0, 1]."""
        return _laid_on(faces, self.noise, eight_bits)


def fit(
    logits_fn: LogitsFn,
    faces: Tensor,
    labels: Tensor,
    *,
    radius: float,
    norm: Norm = "linf",
    share: float = 0.8,
    passes: int = 10,
    steps: int = 50,
    candidates: int = 10,
    eight_bits: bool = False,
    seed: int | None = None,
) -> UniversalPerturbation:
    """The perturbation of the pass that fooled most.

    logits_fn, faces, labels: as `contract.Attack` has them; labels are what the classifier says of the clean faces.
    radius: ε, with pixels in [0, 1].
    share: of the faces to be classified otherwise, in [0, 1]; then it ends.
    passes: over all faces, each in another order; at most so many.
    steps, candidates: DeepFool's.
    eight_bits: whether faces are classified as they are in 8 bits.
    seed: of the order of faces; None: nobody can know it.
    """
    generator = generator_of(seed)
    best = UniversalPerturbation(torch.zeros_like(faces[0]), 0.0)
    noise = best.noise
    everyone = torch.arange(len(faces), device=faces.device)
    for _ in range(passes):
        for row in torch.randperm(len(faces), generator=generator).to(faces.device).split(1):
            seen = _laid_on(faces[row], noise, eight_bits)
            crossed = deepfool(
                _of_row(logits_fn, row),
                seen,
                labels[row],
                objective=rivals(candidates),
                criterion=misclassified(labels[row]),
                steps=steps,
                eight_bits=eight_bits,
            )
            if bool(crossed.met):
                noise = _within(noise + (crossed.faces - seen)[0], radius, norm)
        with torch.no_grad():
            logits = logits_fn(_laid_on(faces, noise, eight_bits), everyone)
        if not isinstance(logits, Tensor):
            raise TypeError("a criterion needs one tensor of logits")
        fooled = float(misclassified(labels)(faces, logits).float().mean())
        if fooled > best.fooled:
            best = UniversalPerturbation(noise, fooled)
        if fooled >= share:
            break
    return best


def _of_row(logits_fn: LogitsFn, row: Tensor) -> LogitsFn:
    """As if this face (1,) were the whole batch."""
    return lambda faces, rows: logits_fn(faces, row)


def _laid_on(faces: Tensor, noise: Tensor, eight_bits: bool) -> Tensor:
    laid = (faces + noise).clamp(0, 1)
    return rounded(laid) if eight_bits else laid


def _within(noise: Tensor, radius: float, norm: Norm) -> Tensor:
    if norm == "linf":
        return noise.clamp(-radius, radius)
    return noise * (radius / noise.norm().clamp(min=1e-12)).clamp(max=1)
