"""What `--method` takes. The functions are in `attacks.ATTACKS` and `faces.obfuscation.OBFUSCATIONS`."""

from typing import Literal

Kind = Literal["attack", "obfuscation"]

METHODS: dict[str, Kind] = {
    "k-a3": "attack",
    "i-fgvm": "attack",
    "blur": "obfuscation",
    "pixelate": "obfuscation",
}


def methods_of(kind: Kind) -> list[str]:
    return [name for name, of_kind in METHODS.items() if of_kind == kind]


def is_obfuscation(method: str) -> bool:
    return METHODS.get(method) == "obfuscation"
