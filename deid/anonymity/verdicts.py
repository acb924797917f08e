"""What a published set says about the process that made it.

The census of a set (`conditions.condition_5`, `condition_6`) is a fact about these faces. Whether the process
behind them keeps p(i) ≤ 1/K (K-A³, eq. 6) is an inference, and may stay open.
"""

from collections.abc import Mapping
from functools import cache
from typing import Literal

from deid.anonymity.intervals import lower_bound, upper_bound

Verdict = Literal["met", "violated", "inconclusive"]


def process_verdict(counts: Mapping[int, int], n: int, K: int, delta: float = 0.1) -> Verdict:
    """Does the process that made n independent faces keep every rank's probability at 1/K or below?

    counts: rank → faces, their sum being n; delta: the tolerance δ ≥ 0 that `met` needs, to be printed beside
    it.

    - `violated`: for some rank the one-sided Clopper-Pearson lower bound at level 0.05/K exceeds 1/K;
    - `met`: for every rank the one-sided 95 % upper bound is at most 1/K + δ;
    - `inconclusive` otherwise, and for n = 0.

    `violated` is looked for first: in a large set both can hold, when p lies between 1/K and 1/K + δ. All of
    the ranks 1..K+1 and every other rank seen are looked at. Photos of one person are not independent: the
    caller passes one a person. Raises ValueError for K < 1, delta < 0 or counts that do not sum to n.
    """
    if K < 1 or delta < 0:
        raise ValueError(f"needs K of at least 1 and delta of at least 0, not {K} and {delta}")
    if sum(counts.values()) != n:
        raise ValueError(f"the counts sum to {sum(counts.values())} faces, not to {n}")
    if n == 0:
        return "inconclusive"
    # Over a long list most ranks hold as many faces as others.
    faces_at = {counts.get(rank, 0) for rank in set(range(1, K + 2)) | set(counts)}
    if any(lower_bound(faces, n, 1 - 0.05 / K) > 1 / K for faces in faces_at):
        return "violated"
    if all(upper_bound(faces, n, 0.95) <= 1 / K + delta for faces in faces_at):
        return "met"
    return "inconclusive"


@cache
def deciding_number(K: int, delta: float = 0.1, ranks: int | None = None) -> int:
    """The number of faces, spread evenly over so many ranks from 2 on, from which on `process_verdict` says `met`.

    ranks: at least K; None: 2..K+1. Not the least number: it says so a little earlier wherever K divides the number.
    """
    spread = ranks or K

    def met(n: int) -> bool:
        counts = {2 + at: n // spread + (at < n % spread) for at in range(min(n, spread))}
        return process_verdict(counts, n, K, delta) == "met"

    n = K
    while not all(met(m) for m in range(n, n + K)):
        n += 1
    return n
