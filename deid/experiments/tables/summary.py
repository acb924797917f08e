"""What a row says, as it is written to NAME.json."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from deid.anonymity.conditions import condition_5, condition_6
from deid.anonymity.intervals import proportion
from deid.anonymity.verdicts import Verdict, process_verdict
from deid.experiments.tables.data import SEED
from deid.experiments.tables.pieces import Row

DELTA = 0.1  # the tolerance of «met», see `process_verdict`
MIN_INDEPENDENT = 30  # fewer photos decide nothing about a process


def summary_of(row: Row, labels: np.ndarray, classes: int, levels: Sequence[int], of_people: bool) -> dict[str, Any]:
    """labels: (N,), whose photos they are; levels: K that the conditions are about."""
    n, ranks = len(row.ranks), Counter(row.ranks.tolist())
    independent = row.ranks[_one_of_each(labels)] if of_people else row.ranks
    return {
        "n": n,
        "success": vars(proportion(int((row.ranks > 1).sum()), n)),
        "success_in_float": vars(proportion(int((row.ranks_in_float > 1).sum()), n)),
        "exact": vars(proportion(int((row.ranks == row.groups).sum()), n)),
        **{name: _spread(getattr(row, name)) for name in ("likeness", "cw_ssim", "mse", "evaluations", "seconds")},
        "pmf": {str(rank): vars(proportion(ranks[rank], n)) for rank in range(1, classes + 1)},
        "independent": len(independent),
        "delta": DELTA,
        "condition_5": {"set": _census(condition_5(ranks)), "process": _never_first(independent)},
        "condition_6": {
            str(K): {"set": _census(condition_6(ranks, K)), "process": _spread_over(independent, K)} for K in levels
        },
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    return {"mean": float(values.mean()), "least": float(values.min()), "largest": float(values.max())}


def _census(holds: bool) -> Verdict:
    return "met" if holds else "violated"


def _never_first(ranks: np.ndarray) -> Verdict:
    """One photo at rank 1 refutes a process that never leaves one there; none of n only bounds how many it leaves."""
    if (ranks == 1).any():
        return "violated"
    return "met" if len(ranks) >= MIN_INDEPENDENT else "inconclusive"


def _spread_over(ranks: np.ndarray, K: int) -> Verdict:
    if len(ranks) < MIN_INDEPENDENT:
        return "inconclusive"
    return process_verdict(Counter(ranks.tolist()), len(ranks), K, DELTA)


def _one_of_each(labels: np.ndarray) -> np.ndarray:
    """The row of one photo of each class, seeded."""
    rng = np.random.default_rng(SEED)
    return np.array([rng.choice(np.flatnonzero(labels == label)) for label in np.unique(labels)])
