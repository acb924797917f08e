"""Measured values with their intervals: exact for proportions, free of a distribution for medians."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from scipy.stats import beta, binom


@dataclass(frozen=True)
class Estimate:
    """A value, its two-sided confidence interval [low, high] and the number n it rests on.

    As text: `0.961 (0.955–0.966, N = 200)`; with the format `%`, for proportions:
    `98.5 % (95.7–99.7, N = 200)`. A format before it sets the digits, as in
    `f"{estimate:.3f}"` or `f"{estimate:.0f%}"`.
    """

    value: float
    low: float
    high: float
    n: int
    confidence: float

    def __format__(self, spec: str) -> str:
        scale, unit = (100.0, " %") if spec.endswith("%") else (1.0, "")
        digits = spec.removesuffix("%") or (".1f" if unit else ".3f")
        value, low, high = (format(scale * number, digits) for number in (self.value, self.low, self.high))
        return f"{value}{unit} ({low}–{high}, N = {self.n})"

    def __str__(self) -> str:
        return format(self, "")


def proportion(successes: int, n: int, confidence: float = 0.95) -> Estimate:
    """Share of successes in [0, 1] with its Clopper-Pearson interval, which covers at least `confidence`.

    n = 0 gives the value NaN and the interval (0, 1). Raises ValueError unless 0 ≤ successes ≤ n and
    0 < confidence < 1. (Clopper, Pearson, Biometrika 26, 1934.)
    """
    _check(successes, n, confidence)
    tail = (1 + confidence) / 2
    low, high = lower_bound(successes, n, tail), upper_bound(successes, n, tail)
    return Estimate(successes / n if n else math.nan, low, high, n, confidence)


def lower_bound(successes: int, n: int, level: float) -> float:
    """One-sided Clopper-Pearson lower bound of a proportion, in [0, 1], at confidence `level` in (0, 1).

    The p at which `successes` or more have probability 1 − level; 0 without a success.
    """
    _check(successes, n, level)
    # As `scipy.stats.binomtest` has it, which takes many times as long: it makes a test's p-value each time.
    return float(beta.ppf(1 - level, successes, n - successes + 1)) if successes else 0.0


def upper_bound(successes: int, n: int, level: float) -> float:
    """One-sided Clopper-Pearson upper bound of a proportion, in [0, 1], at confidence `level` in (0, 1).

    The p at which `successes` or fewer have probability 1 − level; 1 without a failure.
    """
    _check(successes, n, level)
    return float(beta.ppf(level, successes + 1, n - successes)) if successes < n else 1.0


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Sample median and an interval for the population's, whatever the distribution of the values.

    The interval runs from the j-th smallest to the j-th largest value, with the largest j for which a median
    outside has probability at most 1 − confidence (each value falls below the median with probability ½: a
    binomial count). With too few values for any j (under 6 at 95 %) it is (−inf, inf); without values the
    median is NaN. Raises ValueError for a NaN among the values or unless 0 < confidence < 1. (David,
    Nagaraja, Order Statistics, 7.1.)
    """
    return counted_median(Counter(float(value) for value in values).items(), confidence)


def counted_median(counts: Iterable[tuple[float, int]], confidence: float = 0.95) -> Estimate:
    """The same of values that are counted already: (value, how often), in any order.

    Raises ValueError also for a number of values that is not whole or below 0.
    """
    _check(0, 0, confidence)
    ordered = sorted(counts)
    if any(math.isnan(value) for value, _ in ordered):
        raise ValueError("the median of values with a NaN among them is not defined")
    if any(not isinstance(times, int) or times < 0 for _, times in ordered):
        raise ValueError("values are counted in whole numbers of at least 0")
    up_to = list(accumulate(times for _, times in ordered))
    n = up_to[-1] if up_to else 0
    if not n:
        return Estimate(math.nan, -math.inf, math.inf, 0, confidence)

    def smallest(place: int) -> float:
        """The value at a place from 1 to n."""
        return float(ordered[bisect_left(up_to, place)][0])

    tail = (1 - confidence) / 2
    j = int(binom.ppf(tail, n, 0.5))
    # ppf is the first count whose cdf reaches the tail: one too far, unless it meets the tail exactly.
    if binom.cdf(j, n, 0.5) <= tail:
        j += 1
    low, high = (smallest(j), smallest(n + 1 - j)) if j else (-math.inf, math.inf)
    middle = smallest(n // 2 + 1) if n % 2 else (smallest(n // 2) + smallest(n // 2 + 1)) / 2
    return Estimate(middle, low, high, n, confidence)


def _check(successes: int, n: int, confidence: float) -> None:
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n} are not possible")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not at {confidence}")
