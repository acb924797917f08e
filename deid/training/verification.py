"""One-to-one verification on held-out people: accuracy, true-accept rates, thresholds."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from deid.faces.templates import Template
from deid.training.augment import aligned_view, mirror
from deid.training.data import FaceSet, crops_of

FARS = (1e-2, 1e-3)


@dataclass(frozen=True)
class Verification:
    """How well cosines tell pairs of one person from pairs of strangers.

    accuracy: at the best threshold of balanced pairs, in [0, 1].
    thresholds, true_accept_rates: at each FAR of FARS, of all pairs of photos.
    thresholds_by_person, rates_by_person: the same, where every two strangers weigh the same, and every person with two
        photos or more: else the few people with many photos would decide it. What ships goes by person.
    genuine_pairs, impostor_pairs: how many there were.
    impostor_mean, impostor_sd: of the strangers' cosines.
    """

    accuracy: float
    thresholds: tuple[float, ...]
    true_accept_rates: tuple[float, ...]
    thresholds_by_person: tuple[float, ...]
    rates_by_person: tuple[float, ...]
    genuine_pairs: int
    impostor_pairs: int
    impostor_mean: float
    impostor_sd: float

    def __str__(self) -> str:
        rates, by_person = (
            ", ".join(f"{t:.3f} at FAR {far:g}" for far, t in zip(FARS, rates, strict=True))
            for rates in (self.true_accept_rates, self.rates_by_person)
        )
        return f"accuracy {100 * self.accuracy:.1f} %, true accepts {rates}; every person weighing the same {by_person}"


def verify(embeddings: Tensor, names: tuple[str, ...]) -> Verification:
    """All pairs of embeddings (N, D) with the person of each, compared by cosine."""
    unit = torch.nn.functional.normalize(embeddings).numpy()
    scores = unit @ unit.T
    people, photos = np.unique(np.array(names), return_inverse=True, return_counts=True)[1:]
    same = people[:, None] == people[None]
    upper = np.triu(np.ones_like(same), 1).astype(bool)
    genuine, impostor = scores[same & upper], scores[~same & upper]
    thresholds = tuple(float(np.quantile(impostor, 1 - far)) for far in FARS)
    weight = 1 / photos[people]
    weights = np.outer(weight, weight)[~same & upper]
    by_person = tuple(float(np.quantile(impostor, 1 - far, weights=weights, method="inverted_cdf")) for far in FARS)
    grid = np.quantile(np.concatenate([genuine, impostor]), np.linspace(0, 1, 4001))
    accuracy = max((np.mean(genuine >= t) + np.mean(impostor < t)) / 2 for t in grid)
    rows = [np.flatnonzero(people == person) for person in range(len(photos))]
    of_person = [scores[np.ix_(own, own)][np.triu_indices(len(own), 1)] for own in rows if len(own) > 1]
    return Verification(
        accuracy=float(accuracy),
        thresholds=thresholds,
        true_accept_rates=tuple(float(np.mean(genuine > t)) for t in thresholds),
        thresholds_by_person=by_person,
        rates_by_person=tuple(float(np.mean([np.mean(own > t) for own in of_person])) for t in by_person),
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
        impostor_mean=float(impostor.mean()),
        impostor_sd=float(impostor.std()),
    )


def evaluate(recognizer: nn.Module, faces: FaceSet, people: set[str], template: Template) -> Verification:
    """Verification on all pairs of the named people's faces."""
    indices = np.array([i for i, name in enumerate(faces.names) if name in people])
    return verify(embeddings_of(recognizer, faces, indices, template), tuple(faces.names[i] for i in indices))


@torch.no_grad()
def embeddings_of(
    recognizer: nn.Module, faces: FaceSet, indices: np.ndarray, template: Template, mirrored: bool = False
) -> Tensor:
    """Embeddings (N, D), not normalized, of the faces at these indices, or of their mirror images, plainly aligned."""
    device = next(recognizer.parameters()).device
    parts = np.array_split(indices, len(indices) // 32 + 1)
    crops = (mirror(*crops_of(faces, part), np.full(len(part), mirrored)) for part in parts)
    views = (aligned_view(*cropped, template) for cropped in crops)
    return torch.cat([recognizer(view.to(device, memory_format=torch.channels_last)).cpu() for view in views])
