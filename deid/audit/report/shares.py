"""Counts of ranks as shares with their intervals: what all figures of a report are made of."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from deid.anonymity.intervals import Estimate, counted_median, proportion
from deid.anonymity.rank_pmf import RankPmf, counted_pmf

Json = dict[str, Any]
_proportion = lru_cache(maxsize=4096)(proportion)  # over a long list most ranks hold as many faces as others


def ranks_of(counts: Mapping[str, int]) -> RankPmf:
    """counts: rank as text → faces."""
    return counted_pmf((int(text), n) for text, n in counts.items())


def standing(ranks: RankPmf, last: int, first: int = 1) -> int:
    """Faces at the ranks first..last."""
    return sum(n for rank, n in ranks.counts.items() if first <= rank <= last)


def share(successes: int, n: int) -> Json:
    """A share with its 95 % Clopper-Pearson interval; values are None where n is 0."""
    return _estimate(_proportion(successes, n))


def median(histogram: Mapping[str, int]) -> Json:
    """histogram: value as text → number of faces."""
    values = [(float(text), n) for text, n in histogram.items()]
    return _estimate(counted_median(values)) | {"worst": min((value for value, n in values if n), default=None)}


def _estimate(estimate: Estimate) -> Json:
    if not estimate.n:
        return {"value": None, "low": None, "high": None, "n": 0}
    finite = (None if abs(bound) == float("inf") else bound for bound in (estimate.low, estimate.high))
    low, high = finite
    return {"value": estimate.value, "low": low, "high": high, "n": estimate.n}
