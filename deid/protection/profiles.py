"""Profiles: against what a face must hold before it counts as protected."""

from collections.abc import Mapping
from dataclasses import dataclass

from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75, Handling, cropped


@dataclass(frozen=True)
class Away:
    """How a `feature_level` attack goes, see there. steps: of each of the rounds that are such an attack."""

    steps: tuple[int, ...]
    stride: float
    chroma: float


@dataclass(frozen=True)
class Profile:
    """checks: every handling of the saved file after which a face must still hold, each with a fresh detection.

    rounds, steps: at most so many rounds of so many gradient evaluations a face. margin: of the first round, in units
    of the strangers' spread. rehearsed: of the checks, what the attack has in mind from its first step, by name; the
    others only once they failed. views: of one face that the attack has in mind at a time. unmatched: whether a
    one-to-one comparison with the clean photo must fail as well, at FAR 1e-2. exact: whether the rank is to be k, or k
    or more. beside: further surrogates, by name, for which all of this must hold. channels: 3 for a perturbation in
    color, 1 in luma. limit: of every pixel's change in the first rounds, `narrow` of them; widening: by which share of
    that it grows a round after these, so that only faces that need it show more. away: the first rounds are a
    `feature_level` attack.
    """

    checks: Mapping[str, Handling]
    rounds: int
    margin: float
    steps: int = 40
    rehearsed: tuple[str, ...] = ()
    views: int = 4
    unmatched: bool = False
    exact: bool = True
    beside: tuple[str, ...] = ()
    channels: int = 1
    limit: float | None = None
    narrow: int = 1
    widening: float = 0.0
    away: Away | None = None

    def limit_in(self, round_: int) -> float | None:
        """Of a round, counted from 0; None: no limit."""
        wider = max(0, round_ + 1 - self.narrow)
        return None if self.limit is None else self.limit * (1 + self.widening * wider)


_AS_PUBLISHED = {AS_PUBLISHED: HANDLINGS[AS_PUBLISHED]}
_HANDLED = {name: HANDLINGS[name] for name in (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)}
_HANDLED["cropped by 3 %"] = cropped

PROFILES = {
    "paper": Profile(_AS_PUBLISHED, rounds=8, margin=0.15, limit=1.0, widening=0.5),
    "robust": Profile(
        _HANDLED,
        rounds=10,
        margin=0.3,
        rehearsed=(HALF_SIZE_JPEG_75,),
        views=8,
        unmatched=True,
        limit=1.0,
        widening=0.3,
    ),
    "transfer": Profile(
        _HANDLED,
        rounds=6,
        margin=0.3,
        steps=25,
        rehearsed=(HALF_SIZE_JPEG_75,),
        views=5,
        unmatched=True,
        beside=("dlib-resnet", "mobilenet-vggface2", "facenet-casia"),
        exact=False,
        channels=3,
        limit=0.91,
        narrow=2,
        widening=0.15,
        away=Away(steps=(24, 12, 12, 16, 16), stride=2.3 / 255, chroma=0.75),
    ),
}
