"""Photos that a small network tells apart at once."""

import numpy as np

from deid.experiments.tables.data import Photos


def patterned(n: int, seed: int, classes: int, *, side: int = 28, noise: float = 30) -> Photos:
    """Gray: each class a pattern of its own, and noise of so many gray levels at most."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).uniform(60, 196, (classes, 1, side, side))
    labels = np.arange(n) % classes
    return Photos((patterns[labels] + rng.uniform(-noise, noise, (n, 1, side, side))).astype(np.uint8), labels)
