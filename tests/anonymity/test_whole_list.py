"""Kolmogorov's test of ranks: scipy's for values that tie seldom, by hand for few."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import kstest

from deid.anonymity.whole_list import even_list_test, parts_of, percent_of


def test_by_hand():
    # F is 0 up to rank 3, then 1: the largest distances are 3/4 before and none after.
    assert even_list_test({4: 1}, 4) == (pytest.approx(0.75), pytest.approx(0.5))
    assert even_list_test({1: 1, 2: 1, 3: 1, 4: 1}, 4) == (0, 1)
    # Half of two faces at rank 1 of 4, the other at 4: 1/4 too much at 1, none at 2, 1/4 too little at 3.
    assert even_list_test({1: 1, 4: 1}, 4)[0] == pytest.approx(0.25)


def test_both_ends_count_alike():
    ranks = {2: 5, 30: 7, 700: 1}
    mirrored = {1002 - rank: n for rank, n in ranks.items()}
    assert even_list_test(ranks, 1001) == pytest.approx(even_list_test(mirrored, 1001))


def test_over_a_long_list_it_is_scipys():
    rng = np.random.default_rng(1)
    ranks = rng.integers(1, 100_001, 300)
    distance, p = even_list_test(Counter(ranks.tolist()), 100_000)
    oracle = kstest(ranks / 100_000, "uniform")
    assert distance == pytest.approx(oracle.statistic, abs=0.004)
    assert p == pytest.approx(oracle.pvalue, abs=0.02)


@pytest.mark.parametrize("size", [7, 21, 1001])
def test_its_level_is_kept_however_short_the_list(size: int):
    rng = np.random.default_rng(size)
    refuted = sum(even_list_test(Counter(rng.integers(1, size + 1, 60).tolist()), size)[1] < 0.05 for _ in range(400))
    assert refuted <= 33  # 20 expected at most, and three deviations


@pytest.mark.parametrize("ranks", [{}, {0: 1}, {5: 1}, {2: 0}])
def test_no_face_and_ranks_outside_are_refused(ranks: dict[int, int]):
    with pytest.raises(ValueError, match=r"between 1 and 4|no face"):
        even_list_test(ranks, 4)


@pytest.mark.parametrize("size", [1, 7, 10, 21, 1001])
def test_parts_cover_a_list_once(size: int):
    parts = parts_of(size)
    assert [rank for part in parts for rank in part] == list(range(1, size + 1))
    assert len(parts) == min(10, size)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_percent_is_at_least_one_place():
    assert [percent_of(size) for size in (1, 99, 200, 1001)] == [1, 1, 2, 10]
