"""I-FGVM: Iterative Fast Gradient Value Method (Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019).

x̃ ← clip(x̃ − α ∇ₓ L(f(x̃), t)): the gradient's value, not its sign, and no visual term. Here with K-A³'s targets
r(2..k), its hinge and its criterion, so that the two differ in what they minimize and in nothing else. The paper's α
is one number for one network; here it is a share of the step that the linearized hinge asks for, one a face.
"""

import torch
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Attacked, LogitsFn, Objective, OnStep, ignore_step
from deid.attacks.loop import Iterate, descend
from deid.attacks.ranking import polyak_step


def i_fgvm(
    logits_fn: LogitsFn,
    faces: Tensor,
    labels: Tensor,
    *,
    objective: Objective,
    criterion: Criterion | None,
    steps: int,
    start: Tensor | None = None,
    limit: float | None = None,
    on_step: OnStep = ignore_step,
) -> Attacked:
    """As `contract.Attack` says."""

    def rule(at: Iterate) -> Tensor:
        return at.faces - polyak_step(at, torch.ones_like(at.faces)) - at.clean

    return descend(
        logits_fn, faces, labels, rule,
        objective=objective, criterion=criterion, steps=steps, start=start, limit=limit, on_step=on_step,
    )  # fmt: skip
