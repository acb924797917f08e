from collections import Counter

import numpy as np
import pytest

from deid.anonymity.groups import draw_groups, draw_k, seeded_rng
from deid.anonymity.verdicts import deciding_number, process_verdict


def verdict(ranks, K: int) -> str:
    counts = Counter(int(rank) for rank in ranks)
    return process_verdict(counts, counts.total(), K)


def test_by_hand():
    # Four faces at K = 2, all at rank 2: the lower bound is 0.025^(1/4) = 0.398 only.
    assert process_verdict({2: 4}, 4, K=2) == "inconclusive"
    assert process_verdict({2: 2, 3: 2}, 4, K=2) == "inconclusive"
    # Six: 0.025^(1/6) = 0.541 > ½.
    assert process_verdict({2: 6}, 6, K=2) == "violated"


def test_every_rank_seen_is_looked_at():
    even = Counter(dict.fromkeys(range(2, 7), 40))
    assert process_verdict(even, 200, K=5) == "met"
    for rank in (1, 6, 700):
        assert process_verdict(even + Counter({rank: 100}), 300, K=5) == "violated"


def test_between_the_bound_and_the_tolerance_a_large_set_is_violated():
    counts = {2: 2500, 3: 1875, 4: 1875, 5: 1875, 6: 1875}
    assert process_verdict(counts, 10_000, K=5) == "violated"
    assert process_verdict(counts, 10_000, K=4) == "met"


def test_about_eighty_balanced_faces_decide_at_k_5():
    assert process_verdict(dict.fromkeys(range(2, 7), 16), 80, K=5) == "met"
    assert process_verdict(dict.fromkeys(range(2, 7), 12), 60, K=5) == "inconclusive"


def test_one_anonymity_asks_nothing_of_the_spread_and_no_faces_say_nothing():
    assert process_verdict({2: 3}, 3, K=1) == "met"
    assert process_verdict({}, 0, K=1) == "inconclusive"
    assert process_verdict({}, 0, K=5) == "inconclusive"


def test_even_draws_are_met():
    rng = seeded_rng(0)
    assert sum(verdict(draw_groups(200, 5, rng), K=5) == "met" for _ in range(100)) >= 95


def test_even_draws_of_which_some_fail_are_met():
    rng = seeded_rng(1)
    met = 0
    for _ in range(100):
        counts: Counter[int] = Counter()
        for _ in range(200):
            k = draw_k(5, run_counts=counts, person_counts={}, rng=rng)
            counts[k] += rng.random() > 0.1 * (k - 1)  # the deeper groups fail more often
        met += process_verdict(counts, counts.total(), K=5) == "met"
    assert met >= 95


def test_independent_fair_draws_are_rarely_called_violated():
    rng = np.random.default_rng(2)
    assert sum(verdict(rng.integers(2, 7, size=230), K=5) == "violated" for _ in range(200)) <= 0.05 * 200 + 6


@pytest.mark.parametrize("heavy", [1, 2, 6])
def test_one_rank_too_heavy_is_violated(heavy):
    rng = np.random.default_rng(heavy)
    others = [rank for rank in range(2, 7) if rank != heavy]
    found = 0
    for _ in range(100):
        ranks = np.where(rng.random(400) < 1.6 / 5, heavy, rng.choice(others, size=400))
        found += verdict(ranks, K=5) == "violated"
    assert found >= 80


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="sum to 3"):
        process_verdict({2: 3}, 4, K=5)
    with pytest.raises(ValueError, match="K of at least 1"):
        process_verdict({2: 3}, 3, K=0)
    with pytest.raises(ValueError, match="delta"):
        process_verdict({2: 3}, 3, K=5, delta=-0.1)


@pytest.mark.parametrize("K", [1, 2, 3, 5, 8])
def test_from_the_deciding_number_on_even_sets_are_met(K):
    def verdict_of_even(n: int) -> str:
        return process_verdict({k: n // K + (k - 2 < n % K) for k in range(2, K + 2)}, n, K)

    number = deciding_number(K)
    assert all(verdict_of_even(n) == "met" for n in range(number, number + 60))
    # One face fewer is inconclusive, unless K faces are always enough.
    assert number == K or verdict_of_even(number - 1) == "inconclusive"


def test_the_deciding_number_is_about_eighty_at_k_5_and_smaller_for_a_larger_tolerance():
    assert 75 <= deciding_number(5) <= 85
    assert deciding_number(5, delta=0.2) < deciding_number(5) < deciding_number(5, delta=0.05)
