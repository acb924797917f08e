"""Dimensionality reduction (Echeberria-Barrio, Gil-Lerchundi, Egana-Zubia, Orduna-Urrutia, Neural Comput. Appl. 2021).

An autoencoder lets pass what the photos that it learned from have in common; what an attack adds is to stay behind. It
stands before the network, or in its middle, on the last features; or there its encoder stands alone, before a head
that is trained anew. A detector outside compares what one of them and the network itself answer.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses.autoencoder import feature_autoencoder, minimize, photo_autoencoder
from deid.defenses.checked import check_training
from deid.defenses.contract import BATCH, Classifier, Defended, Fit
from deid.errors import UsageError

PHOTOS = 2  # of each class, at least
ALL_PHOTOS = 20  # at least, of all classes together
HALVED = 4  # the autoencoder's encoder halves a photo's sides twice
HEAD_STEPS, HEAD_BATCH, HEAD_RATE = 1000, 128, 1e-2
NOT_LINEAR = 0.05  # of the logits' spread, that a linear head leaves unexplained

Head = Callable[[Tensor], Tensor]
"""Features (N, D) → logits (N, M)."""


def before_network(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
    """The study's «initial» autoencoder: the network sees what an autoencoder makes of a photo."""
    _check(photos, labels)
    if photos.shape[2] % HALVED or photos.shape[3] % HALVED:
        raise UsageError(f"sides of a multiple of {HALVED} pixels, not {tuple(photos.shape[2:])}")
    autoencoder = photo_autoencoder(photos, seed=seed)
    return _never_adversarial(lambda asked: classifier.logits(autoencoder(asked)))


def on_features(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
    """The study's «middle» one: the network's head sees what an autoencoder makes of the last features.

    Raises UsageError, too, where the logits are no linear function of them.
    """
    _check(photos, labels)
    features = _asked(lambda part: classifier.layers(part)[-1], photos)
    head = linear_head(features, _asked(classifier.logits, photos))
    autoencoder = feature_autoencoder(features, seed=seed)
    return _never_adversarial(lambda asked: head(autoencoder(classifier.layers(asked)[-1])))


def encoder_and_head(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
    """The study's «encoder»: of the last features the encoder's code alone is left, and a head for it is trained."""
    _check(photos, labels)
    features = _asked(lambda part: classifier.layers(part)[-1], photos)
    encoder = feature_autoencoder(features, seed=seed).encoder
    classes = classifier.logits(photos[:1]).shape[1]
    head = _trained_head(encoder(features), labels, classes, seed)
    return _never_adversarial(lambda asked: head(encoder(classifier.layers(asked)[-1])))


def disagreement_with(reduce: Fit) -> Fit:
    """The external detector: «adversarial» where the network behind `reduce` answers otherwise than it does itself."""

    def fit(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
        reduced = reduce(classifier, photos, labels, seed=seed)
        return Defended(lambda asked: disagreement(classifier.logits(asked), reduced.scores(asked)[:, :-1]))

    return fit


def disagreement(original: Tensor, reduced: Tensor) -> Tensor:
    """The network's logits and, as the last column, «adversarial»: (N, M + 1), differentiable.

    «Adversarial» lies as far above the network's answer as that lies below the best other one in the reduced logits:
    above it where the two disagree.

    original, reduced: logits (N, M).
    """
    largest, answer = original.max(1, keepdim=True)
    best_other = reduced.scatter(1, answer, -torch.inf).amax(1, keepdim=True)
    # The lead first: where it is 0 or less, no rounding of the sum may flag what agrees.
    return torch.cat([original, largest + (best_other - reduced.gather(1, answer))], 1)


def linear_head(features: Tensor, logits: Tensor) -> Head:
    """The linear function that makes the logits (N, M) of the features (N, D).

    Least squares; what no training photo's features vary in counts for nothing. Raises UsageError if there is none.
    """
    mean, mean_logits = features.mean(0), logits.mean(0)
    centered, wanted = (features - mean).double(), (logits - mean_logits).double()
    weight = torch.linalg.pinv(centered, rtol=1e-5) @ wanted
    if float((centered @ weight - wanted).norm()) > NOT_LINEAR * float(wanted.norm()):
        raise UsageError("this classifier's logits are not linear in its last features: nothing can stand between them")
    weight = weight.to(features)
    return lambda asked: (asked - mean) @ weight + mean_logits


def _trained_head(codes: Tensor, labels: Tensor, classes: int, seed: int) -> nn.Module:
    """Linear, by cross-entropy. codes: (N, D)."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(codes.shape[1], classes).to(codes)
    minimize(
        lambda rows: F.cross_entropy(head(codes[rows]), labels[rows]),
        head.parameters(),
        len(codes),
        HEAD_STEPS,
        HEAD_BATCH,
        HEAD_RATE,
        seed=seed,
    )
    return head.requires_grad_(False)


def _check(photos: Tensor, labels: Tensor) -> None:
    check_training(photos, labels, PHOTOS)
    if len(photos) < ALL_PHOTOS:
        raise UsageError(f"an autoencoder needs {ALL_PHOTOS} photos to learn from, not {len(photos)}")


@torch.no_grad()
def _asked(function: Callable[[Tensor], Tensor], photos: Tensor) -> Tensor:
    return torch.cat([function(part) for part in photos.split(BATCH)])


def _never_adversarial(logits: Callable[[Tensor], Tensor]) -> Defended:
    return Defended(lambda photos: F.pad(logits(photos), (0, 1), value=-torch.inf))
