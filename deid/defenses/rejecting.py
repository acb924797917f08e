"""Classifiers that reject: the answer is «adversarial» where no class scores θ."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from deid.defenses.contract import BATCH, Classifier, Defended
from deid.errors import UsageError

SHARE = 0.1  # of clean photos that are rejected, as in Sotgiu and others 2020
CALIBRATE_EVERY = 4  # photos of a class, of which one sets θ and the others are learned from


@torch.no_grad()
def rejecting(scores: Callable[[Tensor], Tensor], clean: Tensor, share: float = SHARE) -> Defended:
    """The classes' scores, photos → (N, M), and θ, which rejects this share of the clean photos (N, C, H, W)."""
    theta = threshold(torch.cat([scores(part).amax(1) for part in clean.split(BATCH)]), share)

    def with_theta(photos: Tensor) -> Tensor:
        of_classes = scores(photos)
        return torch.cat([of_classes, of_classes.new_full((len(of_classes), 1), theta)], 1)

    return Defended(with_theta)


def threshold(largest: Tensor, share: float) -> float:
    """θ: of N photos' largest scores, (N,), exactly round(share · N) are below it; fewer where scores are the same.

    Raises UsageError without photos and unless 0 ≤ share < 1.
    """
    if largest.ndim != 1 or not len(largest):
        raise UsageError(f"θ is set by one score of each of some photos, not by scores {tuple(largest.shape)}")
    if not 0 <= share < 1:
        raise UsageError(f"a share of rejected photos is from 0 to below 1, not {share}")
    ordered, below = largest.double().sort().values, min(round(share * len(largest)), len(largest) - 1)
    if not below:
        return -torch.inf
    # Half way: what is computed in another batch may differ in its last digit.
    return float((ordered[below - 1] + ordered[below]) / 2)


def learning_and_calibrating(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to learn from, and rows to set θ by: of labels (N,) one in four of each class, but at least one."""
    rng, calibrates = np.random.default_rng(seed), np.zeros(len(labels), bool)
    for label in labels.unique():
        rows = rng.permutation(torch.nonzero(labels == label)[:, 0].cpu().numpy())
        calibrates[rows[: max(1, len(rows) // CALIBRATE_EVERY)]] = True
    return torch.from_numpy(np.flatnonzero(~calibrates)), torch.from_numpy(np.flatnonzero(calibrates))


@torch.no_grad()
def features_of(classifier: Classifier, photos: Tensor) -> list[Tensor]:
    """What the layers make of photos (N, C, H, W): each (N, D_i), inner ones first."""
    parts = [classifier.layers(part) for part in photos.split(BATCH)]
    return [torch.cat(layer) for layer in zip(*parts, strict=True)]
