"""Is one person spread evenly over the ranks 2..K+1? An exact test, and its correction for many persons."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

# So many kinds of outcomes are gone through one by one (a second or so); beyond, outcomes are drawn at random.
MOST_PARTITIONS = 50_000
DRAWS = 100_000


def even_spread_p_value(counts: Sequence[int]) -> float:
    """p-value of the exact multinomial test that n photos fall evenly on len(counts) ranks.

    counts: photos at each rank, zeros included. The sum of the probabilities of all outcomes that are at most as
    probable as this one (Read, Cressie, «Goodness-of-Fit Statistics for Discrete Multivariate Data», 1988); 1 without
    photos. For a person with hundreds of photos there are too many outcomes: then the share among 100,000 drawn ones,
    always the same, with this one counted in, which keeps the test's level (Phipson, Smyth, SAGMB 9, 2010). Raises
    ValueError for no rank or a negative count.
    """
    if not counts or min(counts) < 0:
        raise ValueError(f"counts must be whole numbers of at least 0, one a rank, not {list(counts)}")
    n, ranks = sum(counts), len(counts)
    if _partitions_of(n, ranks, MOST_PARTITIONS) > MOST_PARTITIONS:
        return _drawn_p_value(counts)
    observed = _log_ways(tuple(sorted(counts, reverse=True)))
    # Outcomes that differ only in which rank has how many are equally probable: partitions of n stand for them.
    total = 0.0
    for parts in _partitions(n, ranks, n):
        ways = _log_ways(parts)
        if ways <= observed + 1e-9:
            total += math.exp(ways + _log_orders(parts) - n * math.log(ranks))
    return min(1.0, total)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being many, in the order given (Holm, Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for at, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - at) * p_values[i]))
        corrected[i] = largest
    return corrected


def _drawn_p_value(counts: Sequence[int]) -> float:
    n, ranks = sum(counts), len(counts)
    # This generator's numbers never change, so that whoever checks a report draws the same ones.
    drawn = np.random.RandomState(0).multinomial(n, [1 / ranks] * ranks, DRAWS)
    # The fewer ways there are to get counts, the larger the factorials in the denominator.
    least = _log_factorials(np.array([counts]))[0] - 1e-9
    parts = np.array_split(drawn, 20)  # of so many counts at once factorials are looked up
    at_most_as_probable = sum(int((_log_factorials(part) >= least).sum()) for part in parts)
    return (at_most_as_probable + 1) / (DRAWS + 1)


def _log_factorials(counts: np.ndarray) -> np.ndarray:
    """Sums of the logarithms of the factorials of each row, (rows, ranks) → (rows,): whatever the counts, only those
    that are there are computed.
    """
    found, places = np.unique(counts, return_inverse=True)
    logarithms = np.array([math.lgamma(count + 1) for count in found.tolist()])
    sums: np.ndarray = logarithms[places].reshape(counts.shape).sum(1)
    return sums


def _partitions_of(n: int, parts: int, most: float = math.inf) -> int:
    """How many there are: as many as partitions of n into numbers of at most `parts`. Beyond `most` any larger number
    than that, at once.
    """
    if parts == 1:
        return 1
    if n // 2 + 1 > most:  # those into two numbers
        return n // 2 + 1
    ways = [1] + [0] * n
    for part in range(1, parts + 1):
        for total in range(part, n + 1):
            ways[total] += ways[total - part]
        if ways[n] > most:
            break
    return ways[n]


def _log_ways(parts: tuple[int, ...]) -> float:
    """Logarithm of the number of ways to give n photos these counts."""
    return math.lgamma(sum(parts) + 1) - sum(math.lgamma(part + 1) for part in parts)


def _log_orders(parts: tuple[int, ...]) -> float:
    """Logarithm of the number of different orders of the parts."""
    return math.lgamma(len(parts) + 1) - sum(math.lgamma(parts.count(value) + 1) for value in set(parts))


def _partitions(n: int, parts: int, largest: int) -> Iterator[tuple[int, ...]]:
    """All non-increasing tuples of `parts` numbers from 0 to `largest` that sum to n."""
    if parts == 1:
        if n <= largest:
            yield (n,)
        return
    for first in range(min(n, largest), -(-n // parts) - 1, -1):
        for rest in _partitions(n - first, parts - 1, first):
            yield (first, *rest)
