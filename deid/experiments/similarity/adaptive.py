"""What remains of a guard when the attacker knows it: the same queries, spread so that few are remembered together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from deid.defenses.prediction_similarity import Guard, Settings

REPLAYED = 300  # queries at most
# An alarm needs more near-duplicates than these, or more falls.
UNNOTICED = min(Settings().many, Settings().falls)


@dataclass(frozen=True)
class Strategy:
    """How an attacker asks.

    accounts: that take turns. between: unrelated photos, asked after every query. rest: queries after which the
    attacker is forgotten, because a pause is long enough for others to be remembered instead; 0: never.
    """

    title: str
    accounts: int = 1
    between: int = 0
    rest: int = 0

    def user(self, number: int) -> str:
        """Whose memory query `number`, from 0, comes into."""
        return f"{number % self.accounts}, {number // self.rest if self.rest else 0}"


STRATEGIES: Mapping[str, Strategy] = {
    "plain": Strategy("as it is"),
    "accounts-10": Strategy("10 accounts in turn", accounts=10),
    "accounts-100": Strategy("100 accounts in turn", accounts=100),
    "between-4": Strategy("4 unrelated photos after each query", between=4),
    "between-30": Strategy("30 unrelated photos after each query", between=30),
    "pauses": Strategy(f"forgotten after every {UNNOTICED} queries (a long pause, or a new account)", rest=UNNOTICED),
}


@dataclass(frozen=True)
class Replayed:
    """One attack's queries, put to the guard in each way.

    success: the first query that succeeds, as in `Attempt`, or None.
    alarms: name of STRATEGIES → the first query with an alarm, from 1, or None.
    """

    success: int | None
    alarms: Mapping[str, int | None]

    def is_too_late(self, name: str) -> bool:
        """Whether the attack had succeeded before the guard's alarm, among those replayed."""
        alarm = self.alarms[name]
        return self.success is not None and self.success <= REPLAYED and (alarm is None or self.success < alarm)


def first_alarm(
    classify: Callable[[Tensor], Tensor], stream: Tensor, unrelated: Tensor, strategy: Strategy, settings: Settings
) -> int | None:
    """Which of an attack's queries, (n, C, H, W), is the first with an alarm of a new guard, from 1.

    unrelated: (m, C, H, W), what is asked between them, over and over; alarms about these count, too.
    """
    guard, place = Guard(classify, settings), 0
    for number, query in enumerate(stream[:REPLAYED]):
        rows = torch.arange(place, place + strategy.between) % len(unrelated)
        place += strategy.between
        answered = guard(torch.cat([query[None], unrelated[rows]]), user=strategy.user(number))
        if any(answered.alarms):
            return number + 1
    return None
