"""Profiles: against what a face must hold before it counts as protected."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75, Handling, cropped

DIAL = 4.0  # the dial's ends show half and twice as much as its middle: a factor of 4 in what is measured as a square


@dataclass(frozen=True)
class Profile:
    """What must hold, and how hard an attack tries.

    handlings: of the saved file, after each of which a face must still hold, with a fresh detection.
    steps: of each round, at most so many gradient evaluations a face; there are as many rounds.
    exact: whether the rank is to be k as published, or k or more after every handling.
    unmatched: whether a one-to-one comparison with the clean photo must fail as well, at FAR 1e-2.
    safety: by so much more an attack is to hold where other programs see the face, which moves with every save.
    further_surrogates: by name, for which all of this must hold as well.
    features, reach: see `visibility_of`.
    limit: of every pixel's change in the first round, in units of `Visibility.limit`; None: none.
    budget: by how much SSIM may fall in the first round, where that decides how much is seen; None: an attack on ranks,
        which takes what it needs.
    toward_stranger: how much a face is to become like a stranger drawn for it, in units of becoming unlike itself: two
        photos of a person that only became unlike one picture could be alike in a new way.
    widening: by which share reach, limit and budget grow a round, so that only faces that need it show more.
    margin: of an attack on ranks in the first round, in units of the strangers' spread.
    views: of one face that an attack on ranks has in mind at a time.
    """

    handlings: Mapping[str, Handling]
    steps: tuple[int, ...]
    exact: bool
    unmatched: bool = False
    safety: float = 0.3
    further_surrogates: tuple[str, ...] = ()
    features: float = 1.0
    reach: float = 1.0
    limit: float | None = None
    budget: float | None = None
    toward_stranger: float = 0.5
    widening: float = 0.0
    margin: float = 0.15
    views: int = 8

    @property
    def rounds(self) -> int:
        return len(self.steps)

    def with_strength(self, strength: float) -> "Profile":
        """The profile at a place of its dial, from 0 to 1; it is made for 0.5."""
        factor = DIAL ** (strength - 0.5)
        limit = None if self.limit is None else self.limit * factor**0.5
        return replace(self, limit=limit, budget=None if self.budget is None else self.budget * factor)

    def in_round(self, round_: int) -> "Profile":
        """With what may change and be seen in a round, counted from 0."""
        wider = (1 + self.widening) ** round_
        return replace(
            self,
            reach=self.reach * wider,
            limit=None if self.limit is None else self.limit * wider,
            budget=None if self.budget is None else self.budget * wider,
        )


_AS_PUBLISHED = {AS_PUBLISHED: HANDLINGS[AS_PUBLISHED]}
_HANDLED = {name: HANDLINGS[name] for name in (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)}
_HANDLED["cropped by 3 %"] = cropped

PROFILES = {
    "stranger": Profile(
        _HANDLED,
        steps=(24, 18, 18, 18, 22, 22),
        exact=False,
        unmatched=True,
        further_surrogates=("dlib-resnet", "mobilenet-vggface2", "mobilefacenet-arcface"),
        features=0.6,
        limit=1.6,
        budget=0.055,
        widening=0.3,
    ),
    "paper": Profile(
        _AS_PUBLISHED,
        steps=(40,) * 8,
        exact=True,
        safety=0.8,
        features=0.6,
        limit=1.6,
        widening=0.3,
    ),
}
