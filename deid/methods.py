"""What `--method` takes. The functions are in `attacks.ATTACKS` and `faces.obfuscation.OBFUSCATIONS`."""

from typing import Literal

Kind = Literal["attack", "obfuscation"]

METHODS: dict[str, Kind] = {
    "k-a3": "attack",
    "i-fgvm": "attack",
    "blur": "obfuscation",
    "pixelate": "obfuscation",
}


# The attack of the first rounds of `transfer`, whatever method is asked for; records call it so.
FEATURE_LEVEL = "feature-level"


def methods_of(kind: Kind) -> list[str]:
    return [name for name, of_kind in METHODS.items() if of_kind == kind]


def is_obfuscation(method: str) -> bool:
    return METHODS.get(method) == "obfuscation"
