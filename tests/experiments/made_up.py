"""Photos that a small network tells apart at once."""

import numpy as np

from deid.experiments.tables.data import Photos


def patterned(n: int, seed: int, classes: int) -> Photos:
    """Gray, 28 × 28: each class a pattern of its own, and noise."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).uniform(60, 196, (classes, 1, 28, 28))
    labels = np.arange(n) % classes
    return Photos((patterns[labels] + rng.uniform(-30, 30, (n, 1, 28, 28))).astype(np.uint8), labels)
