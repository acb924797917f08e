"""What a defense is built around, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

ADVERSARIAL = -1  # the answer of a defense that takes a photo for an attack
BATCH = 64


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network as defenses see it: photos (N, C, H, W) in [0, 1] → logits (N, M), both differentiable.

    layers: photos → the features of its layers, each (N, D_i), inner ones first; of the last the logits are made.
    """

    logits: Callable[[Tensor], Tensor]
    layers: Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True, eq=False)
class Defended:
    """A classifier of M classes behind a defense.

    scores: photos (N, C, H, W) in [0, 1] → (N, M + 1). The largest is the answer; the last column is «adversarial», and
        -inf where the defense never says so. Differentiable as far as the defense is.
    """

    scores: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def answers(self, photos: Tensor) -> Tensor:
        """int64 (N,): a class, or ADVERSARIAL. photos: (N, C, H, W) in [0, 1]."""
        scores = torch.cat([self.scores(part) for part in photos.split(BATCH)])
        largest = scores.argmax(1)
        return largest.masked_fill(largest == scores.shape[1] - 1, ADVERSARIAL)


class Fit(Protocol):
    def __call__(self, classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
        """The classifier behind this defense.

        photos: (N, C, H, W) in [0, 1], that it may learn from; labels: int64 (N,), their classes, from 0 to M − 1.
        seed: of what it draws.

        Raises UsageError for shapes that do not belong together and for too few photos of a class.
        """
        ...


@dataclass(frozen=True, eq=False)
class Defense:
    """title: in tables. paper: where it is from. photos: of each class that it needs to learn from; 0: none."""

    title: str
    paper: str
    fit: Fit
    photos: int = 0
