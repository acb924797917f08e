from hypothesis import given
from hypothesis import strategies as st

from deid.rounds import BATCH, _batches

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
