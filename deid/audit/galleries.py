"""Whom a face is looked up among: decoys of two draws, real people, enrolled people."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from deid.recognizers.checkpoints import Entry, shipped_decoys
from deid.recognizers.decoys import DECOYS, fit_gaussian

MIN_FACES_FOR_DECOYS = 30
FPIR = 0.01  # false-positive identification rate of the open-set threshold


@dataclass(frozen=True, eq=False)
class Gallery:
    """Identities in which faces are looked up.

    prototypes: (M, D) unit vectors.
    persons: of the last rows, whom a face of the same person must not meet; an empty text for somebody who is none of
    the persons on the originals.
    strangers: (P, D) faces that are nobody in it, of which the open-set threshold is made.
    """

    prototypes: np.ndarray
    persons: tuple[str, ...]
    strangers: np.ndarray

    @property
    def open_set_threshold(self) -> float:
        """Cosine that a share FPIR of strangers reaches with somebody."""
        best = np.concatenate([(part @ self.prototypes.T).max(1) for part in _parts(self.strangers)])
        return float(np.quantile(best, 1 - FPIR))

    def others(self, embeddings: np.ndarray, persons: Sequence[str]) -> np.ndarray:
        """Cosines (n, M) with everybody but the person itself (−2 there)."""
        cosines = embeddings @ self.prototypes.T
        if self.persons:
            columns = np.array(self.persons)
            same = np.array(persons)[:, None] == columns[None]
            cosines[:, len(self.prototypes) - len(columns) :][same] = -2
        return cosines

    def sizes(self, persons: Sequence[str]) -> np.ndarray:
        """How many identities a face of each person is looked up among, its own one counted (n,)."""
        own = [self.persons.count(person) for person in persons]
        return len(self.prototypes) + 1 - np.array(own, int)


def galleries_of(
    entry: Entry,
    clean: np.ndarray,
    people: Mapping[str, np.ndarray],
    real: np.ndarray,
    real_persons: Sequence[str],
    seed: int,
) -> dict[str, Gallery]:
    """Decoys of the shipped draw and of a fresh one, and real people where there are any; people stand in each.

    entry: the recognizer's weights, with which decoys may ship.
    clean: (N, D) faces of different persons, of which decoys are drawn where none ship.
    people: name → prototype (D,) of an enrolled person.
    real: (R, D) real people's faces.
    real_persons: for each of these the person on the originals whom it seems to show, or an empty text.
    seed: of the fresh decoys.
    """
    if "decoys_file" in entry.details:
        fixed, fresh = shipped_decoys(entry).numpy(), shipped_decoys(entry, seed=seed).numpy()
        names = ("shipped decoys", "fresh decoys")
    elif len(clean) >= MIN_FACES_FOR_DECOYS:
        fixed, fresh = (_decoys_like(clean, draw) for draw in (seed, seed + 1))
        names = ("decoys like these people", "fresh decoys like these people")
    else:
        return {}
    persons = tuple(sorted(people))
    enrolled = np.stack([people[name] for name in persons]) if persons else fixed[:0]
    galleries = {
        names[0]: Gallery(np.concatenate([fixed, enrolled]), persons, fresh),
        names[1]: Gallery(np.concatenate([fresh, enrolled]), persons, fixed),
    }
    if len(real):
        galleries["real people"] = Gallery(np.concatenate([real, enrolled]), (*real_persons, *persons), fixed)
    return galleries


def _decoys_like(clean: np.ndarray, seed: int) -> np.ndarray:
    """Synthetic identities from a Gaussian of few real ones, its covariance shrunk (Ledoit, Wolf, JMVA 88, 2004).

    Without shrinkage the decoys of 200 faces in 128 dimensions would lie among these faces, too near to them.
    """
    unit = clean / np.linalg.norm(clean, axis=1, keepdims=True)
    centered = (unit - unit.mean(0)).astype(np.float64)
    n, size = centered.shape
    covariance = centered.T @ centered / n
    target = np.trace(covariance) / size
    distance = float(((covariance - target * np.eye(size)) ** 2).sum())
    noise = (float((centered**2).sum(1) @ (centered**2).sum(1)) / n - float((covariance**2).sum())) / n
    shrinkage = min(1.0, max(0.0, noise / max(distance, 1e-12)))
    generator = torch.Generator().manual_seed(seed)
    fitted = fit_gaussian(torch.from_numpy(unit.astype(np.float32)))
    normal = torch.randn(DECOYS, size, generator=generator)
    round_part = math.sqrt(shrinkage * target) * torch.randn(DECOYS, size, generator=generator)
    drawn = fitted["mean"] + math.sqrt(1 - shrinkage) * normal @ fitted["factor"].T + round_part
    return F.normalize(drawn).numpy()


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, len(rows) // 512 + 1)
