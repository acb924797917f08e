"""K-A³ as the paper writes it, and what this program does otherwise, a step of the ladder after the other.

The paper (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020) does not say how eq. 7 is minimized: here by steps of one
length along its gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from deid.anonymity.conditions import NO_TARGET, outranked_by, rank_is
from deid.attacks.contract import Attacked, Objective
from deid.attacks.k_a3 import k_a3, visual_gradient
from deid.attacks.loop import Iterate, StepRule, gradient_attack
from deid.attacks.ranking import RankingObjective
from deid.experiments.tables.task import TRUE, Task
from deid.losses.cw_ssim import scales_for
from deid.losses.steerable_pyramid import subbands
from deid.losses.visibility import Visibility, visibility_for_ssim

STEPS = 300  # at most
MARGIN = 0.1  # of the hinge, in logits
RATE = 0.02  # the length of a step, in units of the photo's


def cross_entropies(targets: Tensor) -> Objective:
    """Σ L(f(x̃), r(i)) of eq. 7. targets: (N, T), r(2..k), padded with -1."""

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        of_rows = targets[rows]
        chances = F.log_softmax(logits, 1).gather(1, of_rows.clamp(min=0))
        return -(chances * (of_rows != NO_TARGET)).sum(1)

    return objective


def descent(faces: Tensor, start: Tensor | None, visibility: Visibility | None) -> StepRule:
    """Along the gradient of all of eq. 7's terms."""
    clean_bands = subbands(faces, scales=scales_for(faces))

    def rule(at: Iterate) -> Tensor:
        visual = visual_gradient(at.faces, at.clean, [band[at.rows] for band in clean_bands])
        gradient = at.gradient + visual
        length = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
        return at.faces - RATE * gradient / length - at.clean

    return rule


along_the_gradient = gradient_attack(descent)


def as_the_paper(task: Task) -> Attacked:
    """Cross-entropies, and the paper's stop: each of r(2..k) outranks the true class."""
    return task.attacked(along_the_gradient, cross_entropies(task.targets), outranked_by(task.targets), steps=STEPS)


def with_hinge(task: Task) -> Attacked:
    """A hinge on differences to the true class instead, which asks for an order and no more."""
    objective = RankingObjective(task.targets, MARGIN, exact=False)
    return task.attacked(along_the_gradient, objective, outranked_by(task.targets), steps=STEPS)


def exactly_at_k(task: Task) -> Attacked:
    """And everyone else below the true class, as objective and stop."""
    objective = RankingObjective(task.targets, MARGIN)
    return task.attacked(along_the_gradient, objective, rank_is(task.groups, 0.0, TRUE), steps=STEPS)


def with_polyak_step(task: Task, **asked: Any) -> Attacked:
    """And steps as long as the linearized hinge asks for: the program's K-A³. asked: of `Task.attacked`."""
    objective = RankingObjective(task.targets, MARGIN)
    return task.attacked(k_a3, objective, rank_is(task.groups, 0.0, TRUE), steps=STEPS, **asked)


def in_eight_bits(task: Task) -> Attacked:
    """And rounded to 8 bits at every look, the gradient passing the rounding."""
    return with_polyak_step(task, eight_bits=True)


def least_seen(task: Task) -> Attacked:
    """And steps steepest where lengths are measured by what SSIM sees: the tables' own row."""
    return with_polyak_step(task, eight_bits=True, visibility=visibility_for_ssim(task.photos))


LADDER: Mapping[str, tuple[str, Callable[[Task], Attacked]]] = {
    "literal": ("A³, the paper's objective and stop", as_the_paper),
    "hinge": ("A³, hinge", with_hinge),
    "exact": ("A³, hinge, exactly at k", exactly_at_k),
    "polyak": ("A³, hinge, exactly at k, Polyak's step", with_polyak_step),
    "8-bits": ("A³, hinge, exactly at k, Polyak's step, 8 bits", in_eight_bits),
}
