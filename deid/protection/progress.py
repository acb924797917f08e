"""How far the attack on one photo is, told step by step to whoever watches; and the place where a watcher ends it.

Whatever a watcher raises (`errors.Cancelled`) ends the run within that step.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Step:
    """Where the attack on one photo is.

    round: 1 is the first.
    evaluations: of the recognizers, in all rounds.
    ranks: where each chosen face stands now, left to right, None before it was looked at.
    working: which of them (from 0) this step was about; none while the saved file is looked at.
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


def nobody_watches(step: Step) -> None:
    pass


@dataclass
class Progress:
    """Of one photo, kept by its rounds. faces: how many are chosen."""

    faces: int
    watcher: Watcher = nobody_watches
    round: int = 0
    evaluations: int = 0
    ranks: list[int | None] = field(init=False)

    def __post_init__(self) -> None:
        self.ranks = [None] * self.faces

    def begin_round(self) -> None:
        self.round += 1

    def stepped(self, working: Sequence[int], ranks: Mapping[int, int]) -> None:
        """A step of an attack on these faces. ranks: of those that it tells, by face; of several views the worst."""
        self.evaluations += 1
        self._tell(working, ranks)

    def looked(self, ranks: Mapping[int, int]) -> None:
        """The saved file was looked at."""
        self._tell((), ranks)

    def _tell(self, working: Sequence[int], ranks: Mapping[int, int]) -> None:
        for face, rank in ranks.items():
            self.ranks[face] = rank
        self.watcher(Step(max(1, self.round), self.evaluations, tuple(self.ranks), tuple(working)))
