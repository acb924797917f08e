"""What every defense refuses."""

import torch
from torch import Tensor

from deid.errors import UsageError


def check_training(photos: Tensor, labels: Tensor, needed: int) -> int:
    """The number of classes M. photos: (N, C, H, W); labels: (N,); needed: photos of each class.

    Raises UsageError for other shapes, for a class without a photo, and for one with fewer than `needed`.
    """
    if photos.ndim != 4 or labels.shape != photos.shape[:1]:
        raise UsageError(f"photos (N, C, H, W) and a label each, not {tuple(photos.shape)} and {tuple(labels.shape)}")
    counts = torch.bincount(labels)
    if len(counts) < 2:
        raise UsageError("a defense is of two classes or more")
    if (fewest := int(counts.min())) < (least := max(needed, 1)):
        raise UsageError(f"this defense needs {least} photos of each class; of one there are {fewest}")
    return len(counts)
