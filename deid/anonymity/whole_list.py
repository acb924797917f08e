"""Do faces stand evenly over a whole list, so that it tells no more read from its end than from its start?"""

from collections.abc import Mapping
from itertools import pairwise

from scipy.stats import kstwo

PARTS = 10  # a distribution over a long list is shown by its tenths


def even_list_test(ranks: Mapping[int, int], size: int) -> tuple[float, float]:
    """Kolmogorov's test that faces stand evenly at the ranks 1..size: its distance, and its two-sided p-value.

    ranks: rank → faces. The distance is the largest |F(r) − r/size| over all ranks r, where F(r) is the share of faces
    at r or before it. Ranks are whole numbers, for which this p-value is, if anything, too large: the test's level is
    kept (Conover, JASA 67, 1972). Raises ValueError without a face, or for a rank outside the list.
    """
    if not ranks or min(ranks) < 1 or max(ranks) > size:
        raise ValueError(f"ranks must lie between 1 and {size}, not at {sorted(ranks)}")
    n = sum(ranks.values())
    if n < 1:
        raise ValueError("no face stands anywhere")
    before, distance = 0, 0.0
    for rank in sorted(ranks):  # between two of them F stands still, so that it is farthest off at one's side
        distance = max(distance, abs(before / n - (rank - 1) / size))
        before += ranks[rank]
        distance = max(distance, abs(before / n - rank / size))
    return distance, float(kstwo.sf(distance, n))


def parts_of(size: int) -> list[range]:
    """The ranks 1..size in ten parts, or in single ranks where there are fewer, as equal as they can be."""
    parts = min(PARTS, size)
    edges = [part * size // parts for part in range(parts + 1)]
    return [range(first + 1, last + 1) for first, last in pairwise(edges)]


def percent_of(size: int) -> int:
    """How many ranks make one percent of a list, at least one."""
    return max(1, size // 100)
