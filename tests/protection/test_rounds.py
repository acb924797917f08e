import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from deid.protection.profiles import PROFILES
from deid.protection.rounds import BATCH, Attempt, _batches, _score
from deid.protection.timing import Costs
from deid.protection.verification import Look, Sight

PRESSED = st.lists(st.frozensets(st.integers(0, 3)), min_size=80, max_size=80)


@given(st.lists(st.integers(0, 79), unique=True), PRESSED)
def test_faces_attacked_together_press_the_same_surrogates(rows: list[int], pressed: list[frozenset[int]]) -> None:
    batches = _batches(rows, pressed)
    assert sorted(row for batch in batches for row in batch) == sorted(rows)
    for batch in batches:
        assert 0 < len(batch) <= BATCH
        assert len({pressed[row] for row in batch}) == 1


def test_faces_that_press_nothing_are_attacked_in_their_order() -> None:
    nothing = [frozenset[int]()] * (BATCH + 3)
    assert _batches(range(BATCH + 3), nothing) == [list(range(BATCH)), list(range(BATCH, BATCH + 3))]


def attempt_with(*ranks: int) -> Attempt:
    """At one of these ranks of one surrogate after each handling, as published first."""
    nothing = torch.zeros(0)
    sights = [Sight(name, np.zeros((5, 2)), True, nothing, ((rank,),), ((0.0,),), (False,))
              for name, rank in zip(PROFILES["robust"].checks, ranks, strict=False)]  # fmt: skip
    return Attempt(b"", (Look(tuple(sights), nothing),), (1,), nothing, nothing, Costs())


def test_the_best_attempt_is_protected_then_exact_then_nearly_holds() -> None:
    scores = [_score(attempt_with(*ranks), [3], PROFILES["robust"])
              for ranks in ((1, 1, 3), (3, 1, 3), (3, 2, 2), (3, 3, 3))]  # fmt: skip
    assert scores == sorted(set(scores))
