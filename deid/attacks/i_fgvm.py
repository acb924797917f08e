"""I-FGVM: Iterative Fast Gradient Value Method (Chatzikyriakidis, Papaioannidis, Pitas, ICIP 2019).

x̃ ← clip(x̃ − α ∇ₓ L(f(x̃), t)): the gradient's value, not its sign, and no visual term. Here with K-A³'s targets
r(2..k), its hinge and its criterion, so that the two differ in what they minimize and in nothing else. The paper's α
is one number for one network; here it is a share of the step that the linearized hinge asks for, one a face.
"""

from typing import Any

from torch import Tensor

from deid.attacks.k_a3 import k_a3
from deid.attacks.ranking import LogitsFn


def i_fgvm(logits_fn: LogitsFn, faces: Tensor, labels: Tensor, **settings: Any) -> Tensor:
    """As `k_a3`, without its visual terms."""
    return k_a3(logits_fn, faces, labels, **settings, visual_weight=0.0)
