"""From embeddings to counts: how many faces stand at each rank, match, can be linked. One recognizer at a time."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from deid.audit.figures import FARS, FPIR
from deid.audit.handling import AS_PUBLISHED, HANDLINGS
from deid.audit.persons import KnownFace
from deid.checkpoints import DECOYS, Entry, draw_decoys
from deid.training.decoys import fit_gaussian

Json = dict[str, Any]

# Clean impostor pairs that a threshold needs, at least; below it the one shipped with the weights is taken.
PAIRS_FOR = {"1e-2": 1_000, "1e-3": 10_000}
MOST_IMPOSTORS = 1000  # faces of different persons that are compared with each other
MIN_FACES_FOR_DECOYS = 30
BIN = 0.02  # width of the histograms' bins, in cosine


@dataclass(frozen=True, eq=False)
class Gallery:
    """prototypes: (M, D) unit vectors; persons: of the last rows, whom a face of the same person must not meet.

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


@dataclass(frozen=True, eq=False)
class Known:
    """The clean side of an audit for one recognizer. faces: of the originals, by photo; others: see `another_photo`.

    row_of: (photo, face number) → row of `clean`, (F, D).
    """

    clean: np.ndarray
    persons: tuple[str, ...]
    others: tuple[KnownFace | None, ...]
    row_of: Mapping[tuple[str, int], int]
    thresholds: Mapping[str, float]
    thresholds_from: str
    galleries: Mapping[str, Gallery]


def thresholds_of(clean: np.ndarray, persons: Sequence[str], entry: Entry, seed: int) -> tuple[dict[str, float], str]:
    """Cosine at each FAR from pairs of clean faces of different persons, one face each, or shipped; and which it is."""
    rows = one_per_person(persons, seed)[:MOST_IMPOSTORS]
    shipped = {far: float(value) for far, value in entry.details.get("thresholds", {}).items()}
    pairs = len(rows) * (len(rows) - 1) // 2
    if pairs < PAIRS_FOR["1e-2"]:
        return shipped, f"shipped with the weights ({pairs} clean impostor pairs here)" if shipped else "none"
    scores = _impostor_scores(clean[rows])
    found = {far: float(np.quantile(scores, 1 - float(far))) for far in FARS if pairs >= PAIRS_FOR[far]}
    source = f"{pairs} clean impostor pairs of these originals"
    missing = [far for far in FARS if far not in found and far in shipped]
    if missing:
        source += f"; {', '.join(missing)} shipped with the weights"
    return {far: found.get(far, shipped.get(far, math.nan)) for far in FARS if far in found or far in shipped}, source


def galleries_of(
    entry: Entry, reference: np.ndarray, people: Mapping[str, np.ndarray], real: np.ndarray, seed: int
) -> dict[str, Gallery]:
    """Decoys of the shipped draw and of a fresh one, and real people where there are any; people stand in each.

    reference: (N, D) faces of different persons, of which decoys are drawn where none ship; real: (N, D).
    """
    if "decoys_file" in entry.details:
        fixed, fresh = draw_decoys(entry).numpy(), draw_decoys(entry, seed=seed).numpy()
        names = ("shipped decoys", "fresh decoys")
    elif len(reference) >= MIN_FACES_FOR_DECOYS:
        fixed, fresh = (_decoys_like(reference, s) for s in (seed, seed + 1))
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
        galleries["real people"] = Gallery(np.concatenate([real, enrolled]), persons, fixed)
    return galleries


def _decoys_like(reference: np.ndarray, seed: int) -> np.ndarray:
    """Synthetic identities from a Gaussian of few real ones, its covariance shrunk (Ledoit, Wolf, JMVA 88, 2004).

    Without shrinkage the decoys of 200 faces in 128 dimensions would lie among these faces, too near to them.
    """
    unit = reference / np.linalg.norm(reference, axis=1, keepdims=True)
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


def count_set(
    known: Known, published: Iterator[tuple[str, int, np.ndarray]], K: int, seed: int
) -> tuple[Json, dict[tuple[str, int], Json]]:
    """The counts of one published set, and each face's own line for the private part.

    published: (photo, face number, embeddings (handlings, D)) of every face.
    """
    # In the clean faces' order, so that the names of photos do not tell which one stands for its person.
    seen = sorted(((known.row_of[path, number], one) for path, number, one in published), key=lambda face: face[0])
    rows = [row for row, _ in seen]
    if not rows:
        return {"faces": 0, "persons": 0, "galleries": {}, "one_to_one": {}, "linked": {}, "histograms": {}}, {}
    after = np.stack([embeddings for _, embeddings in seen])  # (F, handlings, D)
    persons = [known.persons[row] for row in rows]
    clean = known.clean[rows]
    has_other = np.array([known.others[row] is not None for row in rows])
    other = np.stack([_embedding(known.others[row], clean[i]) for i, row in enumerate(rows)])
    own_cosines = np.einsum("fhd,fd->fh", after, clean)
    other_cosines = np.einsum("fhd,fd->fh", after, other)
    control_cosines = (clean * other).sum(1)
    lines: list[Json] = [{"similarity": float(own_cosines[i, 0])} for i in range(len(rows))]
    galleries = {}
    for name, gallery in known.galleries.items():
        galleries[name], ranks = _count_gallery(
            gallery, after, clean, persons, has_other, (own_cosines, other_cosines, control_cosines), K, seed
        )
        for i, line in enumerate(lines):
            line[f"rank, {name}"] = int(ranks[i])
    one_to_one, linked = {}, {}
    for far, threshold in known.thresholds.items():
        own, others = own_cosines >= threshold, other_cosines >= threshold
        one_to_one[far] = {
            "far": far,
            "threshold": threshold,
            "handlings": {
                name: {
                    "n": len(rows),
                    "matches": int(own[:, h].sum()),
                    "n_other": int(has_other.sum()),
                    "matches_other": int(others[has_other, h].sum()),
                }
                for h, name in enumerate(HANDLINGS)
            },
            "control": {"n": int(has_other.sum()), "matches": int((control_cosines[has_other] >= threshold).sum())},
        }
        linked[far] = {"far": far, **_linked(after[:, 0], clean, persons, threshold)}
        for i, line in enumerate(lines):
            line[f"matches at FAR {far}"] = bool(own[i, 0])
    histograms = {
        "genuine": _histogram(control_cosines[has_other]),
        "impostor": _histogram(_impostor_scores(known.clean[one_per_person(known.persons, seed)])),
        "protected": _histogram(own_cosines[:, 0]),
    }
    counts = {
        "faces": len(rows), "persons": len(set(persons)), "galleries": galleries, "one_to_one": one_to_one,
        "linked": linked, "histograms": histograms,
    }  # fmt: skip
    keys = {row: key for key, row in known.row_of.items()}
    return counts, {keys[row]: line for row, line in zip(rows, lines, strict=True)}


def _count_gallery(
    gallery: Gallery,
    after: np.ndarray,
    clean: np.ndarray,
    persons: Sequence[str],
    has_other: np.ndarray,
    cosines: tuple[np.ndarray, np.ndarray, np.ndarray],
    K: int,
    seed: int,
) -> tuple[Json, np.ndarray]:
    own, other, control = cosines
    threshold = gallery.open_set_threshold
    handlings: Json = {}
    published = np.zeros(0, int)
    for h, name in enumerate(HANDLINGS):
        ranks, ranks_other = _ranks(gallery, after[:, h], persons, (own[:, h], other[:, h]))
        handlings[name] = {
            "ranks": _tally(ranks),
            "ranks_other": _tally(ranks_other[has_other]),
            "missed": int((~((ranks == 1) & (own[:, h] >= threshold))).sum()),
        }
        if name == AS_PUBLISHED:
            published = ranks
    (known,) = _ranks(gallery, clean, persons, (control,))
    known = known[has_other]
    chosen = one_per_person(persons, seed)
    counts = {
        "size": len(gallery.prototypes) + 1,
        "open_set_threshold": threshold,
        "handlings": handlings,
        "control": {
            "ranks": _tally(known),
            "missed": int((~((known == 1) & (control[has_other] >= threshold))).sum()),
        },
        "one_per_person": _tally(published[chosen]),
        "within_person": _patterns(published, persons, K),
    }
    return counts, published


def one_per_person(persons: Sequence[str], seed: int) -> np.ndarray:
    """Rows of one random face a person: photos of one person are not independent."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(persons):
        rows.setdefault(person, []).append(row)
    return np.array([group[int(rng.integers(len(group)))] for group in rows.values()], dtype=int)


def _ranks(
    gallery: Gallery, embeddings: np.ndarray, persons: Sequence[str], true: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """For each row of true cosines (n,): 1 + the number of others with a larger one. A tie is the true identity's."""
    ranks = [np.ones(len(embeddings), int) for _ in true]
    for part in np.array_split(np.arange(len(embeddings)), len(embeddings) // 512 + 1):
        others = gallery.others(embeddings[part], [persons[i] for i in part])
        for rank, cosines in zip(ranks, true, strict=True):
            rank[part] += (others > cosines[part, None]).sum(1)
    return ranks


def _patterns(ranks: np.ndarray, persons: Sequence[str], K: int) -> list[list[int]]:
    """Photos at the ranks 2..K+1 of each person with two or more there, largest count first; sorted."""
    of_person: dict[str, Counter[int]] = {}
    for rank, person in zip(ranks, persons, strict=True):
        if 2 <= rank <= K + 1:
            of_person.setdefault(person, Counter())[int(rank)] += 1
    patterns = [
        sorted((counts[rank] for rank in range(2, K + 2)), reverse=True)
        for counts in of_person.values()
        if counts.total() >= 2
    ]
    return sorted(patterns)


def _linked(after: np.ndarray, clean: np.ndarray, persons: Sequence[str], threshold: float) -> Json:
    """Pairs of faces of one person that match each other at the threshold, protected and clean."""
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(persons):
        rows.setdefault(person, []).append(row)
    pairs = protected = linked_clean = 0
    for group in rows.values():
        upper = np.triu_indices(len(group), 1)
        pairs += len(upper[0])
        protected += int(((after[group] @ after[group].T)[upper] >= threshold).sum())
        linked_clean += int(((clean[group] @ clean[group].T)[upper] >= threshold).sum())
    return {"pairs": pairs, "protected": protected, "clean": linked_clean}


def _impostor_scores(faces: np.ndarray) -> np.ndarray:
    """Cosines of all pairs of faces of different persons, of at most a thousand of them: half a million pairs."""
    faces = faces[:MOST_IMPOSTORS]
    return (faces @ faces.T)[np.triu_indices(len(faces), 1)]


def _histogram(values: np.ndarray) -> dict[str, int]:
    """Lower edge of the bin as text → how many values."""
    tally = Counter(np.floor(values / BIN).astype(int).tolist())
    return {f"{number * BIN:.2f}": tally[number] for number in sorted(tally)}


def _tally(ranks: np.ndarray) -> dict[str, int]:
    tally = Counter(int(rank) for rank in ranks)
    return {str(rank): tally[rank] for rank in sorted(tally)}


def _embedding(face: KnownFace | None, instead: np.ndarray) -> np.ndarray:
    return instead if face is None else face.embedding


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return np.array_split(rows, len(rows) // 512 + 1)
