"""Profiles: against what a face must hold before it counts as protected."""

from collections.abc import Mapping
from dataclasses import dataclass

from deid.handling import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75, Handling, cropped


@dataclass(frozen=True)
class Profile:
    """checks: every handling of the saved file after which a face must still hold, each with a fresh detection.

    rounds: at most so many. margin: of the first round, in units of the strangers' spread. rehearsed: of the checks,
    what the attack has in mind from its first step, by name; the others only once they failed. unmatched: whether a
    one-to-one comparison with the clean photo must fail as well, at FAR 1e-2. depth: how far below that threshold the
    attack pushes it, in the same units. beside: further surrogates, by name, for which all of this must hold. exact:
    whether the rank is to be k, or k or more. channels: 3 for a perturbation in color, 1 in luma. limit: of every
    pixel's change (`k_a3`).
    """

    checks: Mapping[str, Handling]
    rounds: int
    margin: float
    rehearsed: tuple[str, ...] = ()
    unmatched: bool = False
    depth: float = 0.0
    beside: tuple[str, ...] = ()
    exact: bool = True
    channels: int = 1
    limit: float | None = None


_AS_PUBLISHED = {AS_PUBLISHED: HANDLINGS[AS_PUBLISHED]}

PROFILES = {
    "paper": Profile(_AS_PUBLISHED, rounds=8, margin=0.15),
    "robust": Profile(
        {name: HANDLINGS[name] for name in (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)}
        | {"cropped by 3 %": cropped},
        rounds=6,
        margin=0.3,
        rehearsed=(HALF_SIZE_JPEG_75,),
        unmatched=True,
    ),
}
