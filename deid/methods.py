"""What `--method` and `--profile` take.

The functions are in `attacks.ATTACKS` and `faces.obfuscation.OBFUSCATIONS`, what a profile asks for in
`protection.profiles.PROFILES`. A rival is an attack of other papers, there for comparing: it goes the same way and is
checked alike. Attacks that cannot aim at a place in a list, or take thousands of steps to, are no methods.
"""

from typing import Literal

Kind = Literal["attack", "rival", "obfuscation"]

METHODS: dict[str, Kind] = {
    "feature-level": "attack",
    "k-a3": "attack",
    "i-fgvm": "attack",
    "p-fgvm": "rival",
    "bim": "rival",
    "pgd": "rival",
    "pgd-l2": "rival",
    "l-bfgs": "rival",
    "blur": "obfuscation",
    "pixelate": "obfuscation",
}
DEFAULT_PROFILE = "stranger"
# Of the profiles those that ask for a place among the first K + 1, and not for any further down.
EXACT = ("paper",)
# The attacks that can reach what a profile asks for, the usual one first.
ATTACKS_OF: dict[str, tuple[str, ...]] = {
    "stranger": ("feature-level",),
    "paper": ("k-a3", "i-fgvm", "p-fgvm", "bim", "pgd", "pgd-l2", "l-bfgs"),
}


def methods_of(kind: Kind) -> list[str]:
    return [name for name, of_kind in METHODS.items() if of_kind == kind]


def is_obfuscation(method: str) -> bool:
    return METHODS.get(method) == "obfuscation"


def profile_for(method: str | None) -> str:
    """What a photo must hold where nobody says: the default, or what this attack can reach."""
    return next((profile for profile, attacks in ATTACKS_OF.items() if method in attacks), DEFAULT_PROFILE)


def method_for(profile: str) -> str:
    """What protects where nobody says."""
    return ATTACKS_OF.get(profile, ATTACKS_OF[DEFAULT_PROFILE])[0]
