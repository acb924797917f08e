"""M-SVDD-D (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020): what no class alone vouches for is an attack.

Over the features of the last layer each class has a unit (`svdd_units`), which verifies what lies in its ball. `fit`
puts the units behind a network as it is; the paper also fine-tunes the network, see the experiment of this name.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from deid.defenses.checked import check_training
from deid.defenses.contract import BATCH, Classifier, Defended
from deid.defenses.svdd_units import Units, learned_units, squared_distances
from deid.errors import UsageError

PHOTOS = FOLDS = 4  # of each class; parts of the photos, each measured by units that learned from the others
# v_a, what the constant class «adversarial» answers, and v_p, what a unit answers at most. Of v_p it only matters that
# it is larger: where more than one unit verifies, none counts.
ADVERSARIAL_SCORE, LARGEST = 1e-3, 1e-2
KEPT = 0.95  # share of a class's photos that is still verified where β is trimmed for defense

Beta = float | Literal["classification", "defense"]
"""Of all classes, or trimmed for each: O_c and O_d of the paper."""


@dataclass(frozen=True, eq=False)
class Detector:
    """betas: β, (C,), by which each unit's R² is multiplied. Photos are (N, C, H, W) in [0, 1]."""

    classifier: Classifier
    units: Units
    betas: Tensor

    def margins(self, photos: Tensor) -> Tensor:
        """(N, C): β − ‖φ(x) − center‖² / R², the paper's decision divided by R²; a unit verifies what is positive."""
        return self.betas - squared_distances(self.units, self.classifier.layers(photos)[-1])

    def scores(self, photos: Tensor) -> Tensor:
        """(N, C + 1), as deployed: quantized."""
        return quantized(self.margins(photos))

    def unquantized(self, photos: Tensor) -> Tensor:
        """(N, C + 1), what an attack that knows the defense follows."""
        return unquantized(self.margins(photos))


def quantized(margins: Tensor) -> Tensor:
    """Scores (N, C + 1) of margins (N, C): rectified, clamped, and nothing where not exactly one unit verifies."""
    clamped = margins.clamp(0, LARGEST)
    alone = (clamped > ADVERSARIAL_SCORE).sum(1, keepdim=True) == 1
    return torch.cat([clamped * alone, torch.full_like(clamped[:, :1], ADVERSARIAL_SCORE)], 1)


def unquantized(margins: Tensor) -> Tensor:
    """Scores (N, C + 1) of margins (N, C), with the largest where `quantized` has it but gradients everywhere.

    Of a class: by how much it verifies, or by how much no other does, whichever is less. Of «adversarial»: 0.
    """
    over = margins - ADVERSARIAL_SCORE
    first, second = over.topk(2, dim=1).values.split(1, dim=1)
    best_other = torch.where(over == first, second, first)
    return torch.cat([torch.minimum(over, -best_other), torch.zeros_like(first)], 1)


def trimmed(distances: Tensor, labels: Tensor, beta: Beta) -> Tensor:
    """β of each class, (C,).

    distances: squared, over R², (N, C), of photos that the units have not learned from; labels: (N,), their classes.
    beta: "classification": the fewest photos on the wrong side, in the middle between the nearest ones;
        "defense": the least by which `KEPT` of the class's photos are verified.

    The paper says what the two are for, not how they are found.
    """
    classes = distances.shape[1]
    if isinstance(beta, float):
        if beta <= 0:
            raise UsageError(f"β is positive, not {beta:g}")
        return distances.new_full((classes,), beta)
    own = [distances[labels == label, label] for label in range(classes)]
    if beta == "defense":
        return torch.stack([values.quantile(KEPT, interpolation="higher") for values in own]) + LARGEST
    others = [distances[labels != label, label] for label in range(classes)]
    return torch.stack([_between(*both) for both in zip(own, others, strict=True)])


def learned_detector(
    classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int, beta: Beta = "defense"
) -> Detector:
    """Photos and labels: as in `Fit`. Raises UsageError as that does, and for a β that is not positive."""
    classes = check_training(photos, labels, PHOTOS)
    with torch.no_grad():
        features = torch.cat([classifier.layers(part)[-1] for part in photos.split(BATCH)])
    units = learned_units(features, labels, seed=seed)
    distances, folds = features.new_empty(len(labels), classes), folds_of(labels, FOLDS)
    for fold in range(FOLDS) if isinstance(beta, str) else ():
        rows = folds == fold
        without = learned_units(features[~rows], labels[~rows], seed=seed)
        distances[rows] = squared_distances(without, features[rows])
    return Detector(classifier, units, trimmed(distances, labels, beta))


def folds_of(labels: Tensor, count: int) -> Tensor:
    """The fold of each photo, int64 (N,), from 0: those of a class take turns."""
    folds = torch.empty_like(labels)
    for label in labels.unique():
        rows = labels == label
        folds[rows] = torch.arange(int(rows.sum())) % count
    return folds


def fit(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int, beta: Beta = "defense") -> Defended:
    return Defended(learned_detector(classifier, photos, labels, seed=seed, beta=beta).scores)


def _between(own: Tensor, others: Tensor) -> Tensor:
    """The value with the fewest of its own above and of others below, (); half way between its neighbors."""
    values, order = torch.cat([own, others]).sort()
    is_own = torch.cat([torch.ones_like(own), torch.zeros_like(others)])[order]
    errors = len(own) - is_own.cumsum(0) + (1 - is_own).cumsum(0)
    at = int(errors.argmin())
    return (values[at] + values[min(at + 1, len(values) - 1)]) / 2
