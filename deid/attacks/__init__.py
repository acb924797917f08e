"""The attacks that `--method` takes, by its names. (`feature_level` is a profile's, see `protection.profiles`.)"""

from deid.attacks.contract import Attack
from deid.attacks.i_fgvm import i_fgvm
from deid.attacks.k_a3 import k_a3

ATTACKS: dict[str, Attack] = {"k-a3": k_a3, "i-fgvm": i_fgvm}
