"""How far the attack on one photo is, told step by step to whoever watches; and the place where a watcher ends it.

Whatever a watcher raises (`errors.Cancelled`) ends the run within that step.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Pace:
    """How far a round is.

    step: of at most so many `steps`: a round may end before.
    left: seconds to its end at the pace so far, if it takes all its steps; None where nothing tells the pace yet.
    """

    step: int
    steps: int
    left: float | None = None


@dataclass(frozen=True)
class Step:
    """Where the attack on one photo is.

    round: 1 is the first.
    evaluations: of the recognizers, in all rounds.
    ranks: where each chosen face stands now, left to right, None before it was looked at.
    working: which of them (from 0) this step was about; none while the saved file is looked at.
    numbers: of the chosen faces, from 1, as the photo's result has them.
    pace: of the attack in this round; None while the saved file is looked at.
    """

    round: int
    evaluations: int
    ranks: tuple[int | None, ...]
    working: tuple[int, ...] = ()
    numbers: tuple[int, ...] = field(default=(), compare=False)
    pace: Pace | None = field(default=None, compare=False)

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
    _steps: int = 0
    _step: int = 0
    _taken: int = 0
    _began: float = 0.0

    def __post_init__(self) -> None:
        self.ranks = [None] * self.faces

    def begin_round(self, steps: int = 0) -> None:
        """steps: at most so many."""
        self.round += 1
        self._steps, self._step, self._taken, self._began = steps, 0, 0, time.monotonic()

    def begin_batch(self, step: int) -> None:
        """step: of the round, after which these faces' steps come, whether or not the faces before took all theirs."""
        self._step = step

    def stepped(self, working: Sequence[int], ranks: Mapping[int, int]) -> None:
        """A step of an attack on these faces. ranks: of those that it tells, by face; of several views the worst."""
        self.evaluations += 1
        self._step = min(self._step + 1, self._steps)
        self._taken += 1
        self._tell(working, ranks, self._pace())

    def looked(self, ranks: Mapping[int, int]) -> None:
        """The saved file was looked at."""
        self._tell((), ranks, None)

    def _pace(self) -> Pace:
        done = self._taken - 1  # a step is told when it begins
        left = (time.monotonic() - self._began) / done * (self._steps - self._step + 1) if done else None
        return Pace(self._step, self._steps, left)

    def _tell(self, working: Sequence[int], ranks: Mapping[int, int], pace: Pace | None) -> None:
        for face, rank in ranks.items():
            self.ranks[face] = rank
        self.watcher(Step(max(1, self.round), self.evaluations, tuple(self.ranks), tuple(working), pace=pace))
