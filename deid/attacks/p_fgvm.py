"""P-FGVM: Penalized Fast Gradient Value Method (Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019).

x̃ ← clip(x̃ − α ∇ₓ L(f(x̃), t) − λ (x̃ − x)): the step of I-FGVM, and a pull back toward the clean face, which takes off
what turned out not to be needed. As in `i_fgvm` the step is a share of what the linearized hinge asks for, here after
the pull. The paper's λ is one number; here it falls, or a face that must hold on many views would never settle.
"""

from dataclasses import replace

from torch import Tensor

from deid.attacks.loop import Iterate, StepRule, gradient_attack
from deid.attacks.ranking import polyak_step
from deid.losses.visibility import Visibility

PULL, DECAY = 0.05, 0.9  # λ at first, of the perturbation a step; what is left of it a step later


def penalized_gradient_value(faces: Tensor, start: Tensor | None, visibility: Visibility | None) -> StepRule:
    def rule(at: Iterate) -> Tensor:
        pull = PULL * DECAY**at.step * (at.clean - at.faces)
        # Without what the pull costs the step would only ever make up for it, and never arrive.
        loss = (at.loss + (pull * at.gradient).sum((1, 2, 3))).clamp(min=0)
        return at.faces + pull - polyak_step(replace(at, losses=(loss,)), at.gradient) - at.clean

    return rule


p_fgvm = gradient_attack(penalized_gradient_value)
