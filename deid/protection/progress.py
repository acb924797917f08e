"""Watching an attack step by step, and stopping it.

Every step of an attack, and every look at the saved file, asks the gallery for logits: that is where a watcher listens,
so that neither the attacks nor the rounds know of it.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.images.photo import Photo
from deid.protection.protector import FoundFace, Protector
from deid.recognizers.gallery import Enrollment, Gallery


@dataclass(frozen=True)
class Step:
    """Where the attack on one photo is.

    round: 1 is the first. evaluations: of the recognizer, in all rounds. ranks: where each chosen face stands now, left
    to right, None before it was looked at. working: which of them (from 0) this step was about; none while the saved
    file is looked at.
    """

    round: int
    evaluations: int
    ranks: tuple[int | None, ...]
    working: tuple[int, ...] = ()

    @property
    def settled(self) -> int:
        """Chosen faces off the first place that the attack is not at work on."""
        return sum(rank not in (None, 1) and face not in self.working for face, rank in enumerate(self.ranks))


Watcher = Callable[[Step], None]


def watched(protector: Protector, watcher: Watcher, searching: Callable[[], None] = lambda: None) -> Protector:
    """The same protector, whose attacks tell `watcher` of each step; what it raises (`Cancelled`) ends them.

    searching: called before a photo is searched for faces; it may raise as well.
    """

    def find(photo: Photo) -> list[FoundFace]:
        searching()
        return protector.find(photo)

    other = copy.copy(protector)
    other.find = find  # type: ignore[method-assign]
    other.gallery = _WatchedGallery(protector.gallery.prototypes, protector.gallery.people, tell=_Tracker(watcher))
    return other


@dataclass(frozen=True)
class _WatchedGallery(Gallery):
    tell: Callable[[Tensor, Tensor, list[Enrollment]], None] = field(kw_only=True)

    def logits(self, embeddings: Tensor, enrollments: list[Enrollment]) -> Tensor:
        logits = super().logits(embeddings, enrollments)
        self.tell(embeddings, logits, enrollments)
        return logits


@dataclass
class _Tracker:
    """Steps from what the gallery is asked. A face is known by its own enrollment's prototype, the very same tensor."""

    watcher: Watcher
    faces: list[Tensor] = field(default_factory=list)
    ranks: list[int | None] = field(default_factory=list)
    round: int = 0
    evaluations: int = 0
    attacking: bool = False

    def __call__(self, embeddings: Tensor, logits: Tensor, enrollments: list[Enrollment]) -> None:
        own = [row for row, enrollment in enumerate(enrollments) if enrollment.name == "itself"]
        if any(self._face(enrollments[row]) is None for row in own):  # a photo's faces all come at once, at first
            self.faces, self.ranks = [enrollments[row].prototype for row in own], [None] * len(own)
            self.round, self.evaluations, self.attacking = 0, 0, False
            return
        if not logits.requires_grad and all(torch.equal(embeddings[row], enrollments[row].prototype) for row in own):
            return  # the clean face's own rank, for the record
        if logits.requires_grad:
            self.evaluations += 1
            self.round += not self.attacking
        self.attacking = logits.requires_grad
        with torch.no_grad():
            ranks = rank_of(logits.detach(), 0).tolist()
        now: dict[int, int] = {}
        for row in own:
            face = self._face(enrollments[row])
            if face is not None:  # of its views the worst counts
                now[face] = min(ranks[row], now.get(face, ranks[row]))
        for face, rank in now.items():
            self.ranks[face] = rank
        working = tuple(sorted(now)) if self.attacking else ()
        self.watcher(Step(max(1, self.round), self.evaluations, tuple(self.ranks), working))

    def _face(self, enrollment: Enrollment) -> int | None:
        return next((at for at, known in enumerate(self.faces) if known is enrollment.prototype), None)
