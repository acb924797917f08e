"""Deep neural rejection, DNR: machines over three layers, and one of their scores (Sotgiu and others, EURASIP Journal
on Information Security 2020).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from deid.defenses.checked import check_training
from deid.defenses.contract import Classifier, Defended
from deid.defenses.kernel_machines import KernelMachines, learn
from deid.defenses.rejecting import SHARE, features_of, learning_and_calibrating, rejecting
from deid.errors import UsageError

LAYERS = 3
FOLDS = 3
PHOTOS = FOLDS + 1  # of each class: one in every fold, one for θ


def deep_neural_rejection(
    classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int, share: float = SHARE
) -> Defended:
    """As `contract.Fit`, of the classifier's last three layers. share: as for `neural_rejection`.

    Raises UsageError for a classifier of fewer layers, too.
    """
    classes = check_training(photos, labels, PHOTOS)
    rows, kept = learning_and_calibrating(labels, seed)
    learned, layers = labels[rows], features_of(classifier, photos[rows])[-LAYERS:]
    if len(layers) < LAYERS:
        raise UsageError(f"deep neural rejection is of {LAYERS} layers; this classifier shows {len(layers)}")
    combining = learn(out_of_sample(layers, learned, classes, seed), learned, classes)
    machines = [learn(layer, learned, classes) for layer in layers]

    def scores(faces: Tensor) -> Tensor:
        return combining.scores(scores_of(machines, classifier.layers(faces)[-LAYERS:]))

    return rejecting(scores, photos[kept], share)


def out_of_sample(layers: Sequence[Tensor], labels: Tensor, classes: int, seed: int) -> Tensor:
    """(N, L · M), the scores of photos by machines that have not seen them: what they will be for new photos.

    layers: L of (N, D_i); labels: (N,), at least three of each class.

    Raises UsageError without scikit-learn.
    """
    scores = layers[0].new_zeros(len(labels), len(layers) * classes)
    folds = _folds(labels, seed)
    for fold in range(FOLDS):
        inside, outside = folds != fold, folds == fold
        machines = [learn(layer[inside], labels[inside], classes) for layer in layers]
        scores[outside] = scores_of(machines, [layer[outside] for layer in layers])
    return scores


def scores_of(machines: Sequence[KernelMachines], layers: Sequence[Tensor]) -> Tensor:
    """(N, L · M); layers: L of (N, D_i), a set of machines for each."""
    return torch.cat([machine.scores(layer) for machine, layer in zip(machines, layers, strict=True)], 1)


def _folds(labels: Tensor, seed: int) -> Tensor:
    """Of each photo, (N,), from 0: in random order within its class, one after the other."""
    generator, folds = torch.Generator().manual_seed(seed), torch.empty_like(labels)
    for label in labels.unique():
        rows = torch.nonzero(labels == label)[:, 0]
        folds[rows] = torch.randperm(len(rows), generator=generator).to(rows) % FOLDS
    return folds
