import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, multinomial

from deid.anonymity import even_spread
from deid.anonymity.even_spread import even_spread_p_value, holm


def enumerated(counts: list[int]) -> float:
    """The p-value by going through every outcome, with scipy's probabilities."""
    n, ranks = sum(counts), len(counts)
    even = multinomial(n, [1 / ranks] * ranks)
    outcomes = [x for x in itertools.product(range(n + 1), repeat=ranks) if sum(x) == n]
    probabilities = even.pmf(outcomes)
    return float(probabilities[probabilities <= even.pmf(counts) * (1 + 1e-9)].sum())


def test_by_hand():
    # Three photos on two ranks: 3-0 and 0-3 have probability 1/8 each.
    assert even_spread_p_value([3, 0]) == pytest.approx(1 / 4)
    assert even_spread_p_value([2, 1]) == pytest.approx(1)
    # Eight photos at one of five ranks: five such outcomes out of 5^8.
    assert even_spread_p_value([8, 0, 0, 0, 0]) == pytest.approx(5 / 5**8)


def test_no_photos_and_one_rank_say_nothing():
    assert even_spread_p_value([0, 0, 0]) == 1
    assert even_spread_p_value([7]) == pytest.approx(1)


@settings(max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4).filter(lambda counts: sum(counts) <= 9))
def test_it_is_the_sum_over_all_outcomes_as_scipy_gives_them(counts: list[int]):
    assert even_spread_p_value(counts) == pytest.approx(min(1, enumerated(counts)), rel=1e-9)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=6), st.randoms())
def test_which_rank_has_how_many_does_not_matter(counts: list[int], random):
    shuffled = random.sample(counts, len(counts))
    assert even_spread_p_value(shuffled) == pytest.approx(even_spread_p_value(counts), rel=1e-12)


def test_even_people_are_rejected_at_most_as_often_as_the_level_says():
    rng = np.random.default_rng(0)
    people = rng.multinomial(9, [1 / 5] * 5, size=400)
    assert sum(even_spread_p_value(person.tolist()) < 0.05 for person in people) <= 0.05 * 400 + 13  # 3 deviations


class TestManyPhotos:
    """Where outcomes are drawn, not gone through."""

    def test_it_agrees_with_the_exact_test(self, monkeypatch: pytest.MonkeyPatch):
        for counts in ([9, 3, 3, 3, 2], [6, 5, 4, 3, 2], [4, 4, 4, 4, 4], [11, 3, 2, 2, 2]):
            monkeypatch.setattr(even_spread, "MOST_PARTITIONS", 10**9)
            exact = even_spread_p_value(counts)
            monkeypatch.setattr(even_spread, "MOST_PARTITIONS", 0)
            error = math.sqrt(exact * (1 - exact) / even_spread.DRAWS)
            assert even_spread_p_value(counts) == pytest.approx(exact, abs=4 * error + 2e-5)

    def test_a_person_with_five_hundred_photos_takes_no_minutes_and_agrees_with_chi_square(self):
        counts = [125, 109, 99, 88, 109]
        assert even_spread._partitions_of(sum(counts), 5) > 10_000_000
        assert even_spread_p_value(counts) == pytest.approx(chisquare(counts).pvalue, abs=0.01)
        assert even_spread_p_value([530, 0, 0, 0, 0]) < 1e-4

    def test_it_is_the_same_number_every_time(self):
        counts = [130, 100, 100, 100, 100]
        assert even_spread_p_value(counts) == even_spread_p_value(counts)

    @pytest.mark.parametrize(("n", "parts", "expected"), [(5, 5, 7), (5, 2, 3), (0, 3, 1), (10, 3, 14)])
    def test_partitions_are_counted(self, n: int, parts: int, expected: int):
        assert even_spread._partitions_of(n, parts) == expected == len(list(even_spread._partitions(n, parts, n)))


def test_holm_by_hand():
    # Sorted: 0.01, 0.02, 0.03, 0.2 times 4, 3, 2, 1 are 0.04, 0.06, 0.06, 0.2.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.03, 0.04]) == pytest.approx([0.06, 0.06])  # a larger p-value is never corrected to a smaller one
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_what_is_no_count_is_refused():
    for counts in ([], [2, -1]):
        with pytest.raises(ValueError, match="whole numbers"):
            even_spread_p_value(counts)
