"""One-pixel attack (Su, Vargas, Sakurai, IEEE TEC 23, 2019), L0: differential evolution, which needs no gradient.

A candidate is a place and its new color, or several of them. scipy evolves as the paper does: DE/rand/1 with F = 0.5 and
no crossover. Candidates that the objective finds better live on; cross-entropy is the paper's.
"""

import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Attack, Attacked, LogitsFn, Objective, OnStep, ignore_step
from deid.attacks.eight_bits import rounded
from deid.attacks.row_criterion import RowCriterion
from deid.losses.visibility import Visibility


def one_pixel(*, pixels: int = 1, population: int = 400) -> Attack:
    """The attack; its `steps` are generations, and no gradient is evaluated.

    pixels: that may change. population: candidates of a generation.
    """

    def attack(
        logits_fn: LogitsFn,
        faces: Tensor,
        labels: Tensor,
        *,
        objective: Objective,
        criterion: Criterion | None,
        steps: int,
        start: Tensor | None = None,
        visibility: Visibility | None = None,
        limit: float | None = None,
        eight_bits: bool = False,
        seed: int | None = None,
        on_step: OnStep = ignore_step,
    ) -> Attacked:
        ...
    return attack
