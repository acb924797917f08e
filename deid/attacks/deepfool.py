"""DeepFool (Moosavi-Dezfooli, Fawzi, Frossard, CVPR 2016), L2, for many classes, untargeted.

At every step the classifier is taken for linear, and the face goes to the nearest of the rivals' hyperplanes, and a
little farther, so that it ends beyond and not on it.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from deid.attacks.contract import Attacked, LogitsFn, Objective
from deid.attacks.loop import Iterate, gradient_attack

OVERSHOOT = 0.02  # η of the paper, a share of the perturbation
LEAST = 1e-4  # a logit farther than the hyperplane: on it no step would be left


def rivals(candidates: int = 10) -> Objective:
    """The objective of this attack: how far the true label lies above each of the best others, a term each, nearest
    in logits first; a class fewer where there are not so many.
    """

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        own = logits.gather(1, labels[:, None])
        others = logits.scatter(1, labels[:, None], -torch.inf)
        best = others.topk(min(candidates, logits.shape[1] - 1), dim=1).values
        return (own - best).unbind(1)

    return objective


def to_the_nearest_hyperplane(at: Iterate) -> Tensor:
    """The terms of `rivals` are the distances in logits, their gradients the hyperplanes' normals."""
    gaps = torch.stack(at.losses, 1).abs() + LEAST
    normals = torch.stack(at.gradients, 1)
    lengths = normals.flatten(2).norm(dim=2).clamp(min=1e-12)
    nearest = (gaps / lengths).argmin(1)
    chosen = torch.arange(len(nearest), device=nearest.device), nearest
    step = (gaps[chosen] / lengths[chosen].square())[:, None, None, None] * normals[chosen]
    return at.faces - at.clean - (1 + OVERSHOOT) * step


def deepfool(logits_fn: LogitsFn, faces: Tensor, labels: Tensor, **asked: Any) -> Attacked:
    """The attack; its objective is `rivals`. Each rival's gradient counts as an evaluation, so there are more of them
    than steps.
    """
    terms = 1

    def rule(at: Iterate) -> Tensor:
        nonlocal terms
        terms = len(at.losses)
        return to_the_nearest_hyperplane(at)

    attacked = gradient_attack(lambda *_: rule)(logits_fn, faces, labels, **asked)
    return replace(attacked, evaluations=terms * attacked.evaluations)
