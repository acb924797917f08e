import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, binomtest

from deid.anonymity.intervals import Estimate, lower_bound, median_interval, proportion, upper_bound

cases = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.sampled_from([0.8, 0.95, 0.99])


class TestProportion:
    def test_by_hand(self):
        # Of four, none: (1 − p)^4 = 0.025. Of four, all: p^4 = 0.025.
        none, all_four = proportion(0, 4), proportion(4, 4)
        assert (none.value, none.low, none.high) == (0, 0, pytest.approx(1 - 0.025**0.25))
        assert (all_four.value, all_four.low, all_four.high) == (1, pytest.approx(0.025**0.25), 1)
        assert (none.n, none.confidence) == (4, 0.95)

    @given(cases, confidences)
    def test_equals_scipys_own(self, case, confidence):
        successes, n = case
        oracle = binomtest(successes, n).proportion_ci(confidence, method="exact")
        estimate = proportion(successes, n, confidence)
        assert (estimate.low, estimate.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
        assert estimate.low <= estimate.value <= estimate.high

    @given(cases, confidences)
    def test_bounds_invert_the_binomial(self, case, level):
        successes, n = case
        if successes:
            low = brentq(lambda p: binom.sf(successes - 1, n, p) - (1 - level), 0, 1)
            assert lower_bound(successes, n, level) == pytest.approx(low, abs=1e-9)
        if successes < n:
            high = brentq(lambda p: binom.cdf(successes, n, p) - (1 - level), 0, 1)
            assert upper_bound(successes, n, level) == pytest.approx(high, abs=1e-9)

    @pytest.mark.parametrize("p", [0.02, 0.2, 0.5, 0.97])
    def test_it_covers_at_least_its_confidence(self, p):
        n = 50
        covered = 0.0
        for successes in range(n + 1):
            estimate = proportion(successes, n)
            if estimate.low <= p <= estimate.high:
                covered += binom.pmf(successes, n, p)
        assert covered >= 0.95

    def test_nothing_measured_says_nothing(self):
        estimate = proportion(0, 0)
        assert math.isnan(estimate.value)
        assert (estimate.low, estimate.high, estimate.n) == (0, 1, 0)

    def test_bad_input_is_refused(self):
        for successes, n in ((-1, 4), (5, 4), (0, -1)):
            with pytest.raises(ValueError, match="not possible"):
                proportion(successes, n)
        for confidence in (0.0, 1.0, 95.0):
            with pytest.raises(ValueError, match="between 0 and 1"):
                proportion(1, 4, confidence)


class TestMedian:
    def test_by_hand(self):
        # Six values: outside the smallest and largest with probability 2/64 = 3.1 %; one further in, 21.9 %.
        estimate = median_interval([6, 1, 5, 2, 4, 3])
        assert (estimate.value, estimate.low, estimate.high, estimate.n) == (3.5, 1, 6, 6)
        # Nine values: from the second to the eighth, outside with probability 2·10/512 = 3.9 %.
        estimate = median_interval(range(1, 10))
        assert (estimate.value, estimate.low, estimate.high) == (5, 2, 8)

    def test_a_tail_that_is_met_exactly_is_used(self):
        # Two values at 50 %: outside of them with probability 2/4, just what is allowed.
        assert median_interval([1, 2], confidence=0.5).low == 1

    @given(st.integers(1, 120), confidences)
    def test_it_is_the_narrowest_that_covers(self, n, confidence):
        estimate = median_interval(range(1, n + 1), confidence)
        if math.isinf(estimate.low):
            assert 1 - 2 * 0.5**n < confidence
            return
        j = int(estimate.low)
        assert estimate.high == n + 1 - j
        assert 1 - 2 * binom.cdf(j - 1, n, 0.5) >= confidence - 1e-12
        assert 2 * (j + 1) > n + 1 or 1 - 2 * binom.cdf(j, n, 0.5) < confidence

    def test_it_covers_a_skewed_distribution(self):
        rng = np.random.default_rng(0)
        samples = rng.exponential(size=(500, 25))
        covered = sum(e.low <= math.log(2) <= e.high for e in map(median_interval, samples))
        assert covered >= 0.93 * 500  # at least 95 % in the long run

    def test_few_values_and_none(self):
        assert median_interval([2.0, 4.0]) == Estimate(3.0, -math.inf, math.inf, 2, 0.95)
        empty = median_interval([])
        assert math.isnan(empty.value)
        assert (empty.low, empty.high, empty.n) == (-math.inf, math.inf, 0)

    def test_bad_input_is_refused(self):
        with pytest.raises(ValueError, match="NaN"):
            median_interval([1.0, math.nan])
        with pytest.raises(ValueError, match="between 0 and 1"):
            median_interval([1.0], confidence=1.5)


def test_text():
    assert f"{proportion(197, 200):%}" == "98.5 % (95.7–99.7, N = 200)"
    assert f"{proportion(197, 200):.0f%}" == "98 % (96–100, N = 200)"
    assert str(Estimate(0.9612, 0.955, 0.966, 200, 0.95)) == "0.961 (0.955–0.966, N = 200)"
    assert f"{Estimate(13.0, 11.0, 14.0, 90, 0.95):.0f}" == "13 (11–14, N = 90)"
    assert f"{proportion(0, 0):%}" == "nan % (0.0–100.0, N = 0)"
