"""What was changed in a picture, made visible."""

import numpy as np

AMPLIFICATION = 10


def amplified_difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """After − before, ten times as strong around middle gray; all uint8, of one shape."""
    difference = after.astype(np.int16) - before.astype(np.int16)
    return (128 + AMPLIFICATION * difference).clip(0, 255).astype(np.uint8)
