"""I-FGVM: Iterative Fast Gradient Value Method (Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019).

x̃ ← clip(x̃ − α ∇ₓ L(f(x̃), t)): the gradient's value, not its sign, and no visual term. Here with K-A³'s targets
r(2..k), its hinge and its criterion, so that the two differ in what they minimize and in nothing else. The paper's α
is one number for one network; here it is a share of the step that the linearized hinge asks for, one a face.
"""

from torch import Tensor

from deid.attacks.loop import Iterate, StepRule, gradient_attack
from deid.attacks.ranking import polyak_step
from deid.losses.visibility import Visibility


def gradient_value(faces: Tensor, start: Tensor | None, visibility: Visibility | None) -> StepRule:
    def rule(at: Iterate) -> Tensor:
        return at.faces - polyak_step(at, at.gradient) - at.clean

    return rule


i_fgvm = gradient_attack(gradient_value)
