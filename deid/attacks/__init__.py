"""The attacks, by the name the command line knows them."""

from collections.abc import Callable

from torch import Tensor

from deid.attacks.i_fgvm import i_fgvm
from deid.attacks.k_a3 import k_a3

Attack = Callable[..., Tensor]

ATTACKS: dict[str, Attack] = {"k-a3": k_a3, "i-fgvm": i_fgvm}
