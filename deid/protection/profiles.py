"""Profiles: against what a face must hold before it counts as protected."""

from collections.abc import Mapping
from dataclasses import dataclass

from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75, Handling, cropped


@dataclass(frozen=True)
class FeatureLevelRounds:
    """The first rounds of a profile that are a `feature_level` attack, whatever method is asked for.

    steps: of each of these rounds.
    stride, chroma: see `attacks.feature_level`.
    """

    steps: tuple[int, ...]
    stride: float
    chroma: float


@dataclass(frozen=True)
class Profile:
    """What must hold, and how hard an attack tries.

    handlings: of the saved file, after each of which a face must still hold, with a fresh detection.
    rounds, steps: at most so many rounds of so many gradient evaluations a face.
    margin: of the first round, in units of the strangers' spread.
    safety: by so much more an attack is to hold where other programs see the face, which moves with every save.
    rehearsed: of the handlings, by name, what the attack has in mind from its first step; others once they failed.
    views: of one face that the attack has in mind at a time.
    unmatched: whether a one-to-one comparison with the clean photo must fail as well, at FAR 1e-2.
    exact: whether the rank is to be k, or k or more.
    strict_rounds: after so many rounds a handled face need not be exactly at k any more, only not recognized: being at
        k and not matching one to one pull against each other, for a threshold that some of the strangers pass.
    further_surrogates: by name, for which all of this must hold as well.
    channels: 3 for a perturbation in color, 1 in luma.
    limit: of every pixel's change in the first rounds, in units of `visible_limit`; None: none.
    narrow_rounds: how many rounds keep that limit.
    widening: by which share of the limit it grows a round after these, so that only faces that need it show more.
    feature_level: the first rounds are such an attack; None: all follow the method that is asked for.
    """

    handlings: Mapping[str, Handling]
    rounds: int
    margin: float
    steps: int = 40
    safety: float = 0.3
    rehearsed: tuple[str, ...] = ()
    views: int = 8
    unmatched: bool = False
    exact: bool = True
    strict_rounds: int = 6
    further_surrogates: tuple[str, ...] = ()
    channels: int = 1
    limit: float | None = None
    narrow_rounds: int = 1
    widening: float = 0.0
    feature_level: FeatureLevelRounds | None = None

    def is_strict(self, round_: int) -> bool:
        """Whether in a round, counted from 0, a handled face is to be exactly at k as well."""
        return round_ < self.strict_rounds

    def limit_in(self, round_: int) -> float | None:
        """Of a round, counted from 0; None: no limit."""
        wider = max(0, round_ + 1 - self.narrow_rounds)
        return None if self.limit is None else self.limit * (1 + self.widening * wider)


_AS_PUBLISHED = {AS_PUBLISHED: HANDLINGS[AS_PUBLISHED]}
_HANDLED = {name: HANDLINGS[name] for name in (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)}
_HANDLED["cropped by 3 %"] = cropped

PROFILES = {
    "paper": Profile(_AS_PUBLISHED, rounds=8, margin=0.15, safety=0.8, limit=1.0, widening=0.5),
    "robust": Profile(
        _HANDLED,
        rounds=10,
        margin=0.3,
        rehearsed=(HALF_SIZE_JPEG_75,),
        views=10,
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
        views=7,
        unmatched=True,
        further_surrogates=("dlib-resnet", "mobilenet-vggface2", "facenet-casia"),
        exact=False,
        channels=3,
        limit=0.91,
        narrow_rounds=2,
        widening=0.15,
        feature_level=FeatureLevelRounds(steps=(24, 12, 12, 16, 16), stride=2.3 / 255, chroma=0.75),
    ),
}
