"""The distribution of ranks over a set of published faces: p(i) = P(rank = i)."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class RankPmf:
    """Rank → number of faces, in the order of the ranks, and their sum n. Made by `rank_pmf`."""

    counts: dict[int, int]
    n: int

    def p(self, rank: int) -> float:
        """Share of the faces at this rank, in [0, 1]; NaN for a set without faces."""
        return self.counts.get(rank, 0) / self.n if self.n else math.nan

    @property
    def effective_k(self) -> float:
        """1 / max p: the largest K for which p(i) ≤ 1/K holds (K-A³, eq. 6); NaN for a set without faces."""
        return self.n / max(self.counts.values()) if self.n else math.nan

    @property
    def entropy(self) -> float:
        """Shannon entropy in bits, from 0 (one rank holds all) to log2 of the ranks seen; NaN if empty."""
        if not self.n:
            return math.nan
        from scipy.stats import entropy  # a second to import, which only reports need

        return float(entropy(list(self.counts.values()), base=2))

    def to_dict(self) -> dict[str, float]:
        """Rank (as text, since JSON has no other keys) → p, in the order of the ranks."""
        return {str(rank): self.p(rank) for rank in self.counts}


def rank_pmf(ranks: Iterable[int]) -> RankPmf:
    """Count ranks, each at least 1. Ranks above K+1 are kept as they are: they show what went past its group.

    Raises ValueError for a rank below 1.
    """
    return counted_pmf(Counter(int(rank) for rank in ranks).items())


def counted_pmf(counts: Iterable[tuple[int, int]]) -> RankPmf:
    """The same of ranks that are counted already: (rank, faces), in any order.

    Raises ValueError for a rank below 1, and for faces that are no whole number of at least 0.
    """
    total: Counter[int] = Counter()
    for rank, n in counts:
        if rank < 1:
            raise ValueError(f"a rank is at least 1, not {rank}")
        if not isinstance(n, int) or n < 0:
            raise ValueError(f"faces at a rank are a whole number of at least 0, not {n!r}")
        total[rank] += n
    return RankPmf({rank: n for rank, n in sorted(total.items()) if n}, total.total())
