"""From embeddings to counts: how many faces stand at each rank, match, can be linked. One recognizer at a time."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deid.audit.galleries import Gallery
from deid.audit.look_counts import FIRST_AT, LOWEST_RANK, RANK, Worst, worst_looks
from deid.audit.persons import ReferenceFace, one_per_person
from deid.audit.references import References, impostor_scores
from deid.audit.store import FaceLooks
from deid.images.handlings import AS_PUBLISHED, HANDLINGS

Json = dict[str, Any]

BIN = 0.02  # width of the histograms' bins, in cosine


@dataclass(frozen=True, eq=False)
class _Faces:
    """F faces of a set as one recognizer sees them, in the clean faces' order: names of photos do not tell which one
    stands for its person.

    keys: (photo, face number) of each.
    after: as published and handled, (F, handlings, D); clean: (F, D).
    has_other: whether there is another photo of the person, (F,).
    own, other, control: cosines after each handling with themselves and with the other photo, both (F, handlings), and
    of the clean face with the other photo, (F,).
    worst: what the further looks at each tell; at_any_look: the largest cosine with itself as published, (F,).
    """

    keys: Sequence[tuple[str, int]]
    persons: Sequence[str]
    after: np.ndarray
    clean: np.ndarray
    has_other: np.ndarray
    own: np.ndarray
    other: np.ndarray
    control: np.ndarray
    worst: Sequence[Worst | None]
    at_any_look: np.ndarray


def count_set(
    references: References,
    published: Iterable[tuple[str, int, np.ndarray]],
    K: int | None,
    seed: int,
    looks: Iterable[FaceLooks] = (),
) -> tuple[Json, dict[tuple[str, int], Json]]:
    """The counts of one published set, and each face's own line for the private part.

    published: (photo, face number, embeddings (handlings, D)) of every face.
    K: over the ranks 2..K+1 the photos of a person were to be spread; None: anywhere.
    looks: the further looks at them as published. At «any look» a face is first, or matches, if it does so at one of
    these or at the audit's own; every other count is of the audit's own alone.
    """
    photos = list(published)
    if not photos:
        return {"faces": 0, "persons": 0, "galleries": {}, "one_to_one": {}, "linked": {}, "histograms": {}}, {}
    faces = _faces(references, photos, looks)
    lines = [_line_of_looks(float(own), worst) for own, worst in zip(faces.own[:, 0], faces.worst, strict=True)]
    galleries, one_to_one, linked = {}, {}, {}
    for name, gallery in references.galleries.items():
        galleries[name], ranks = _count_gallery(gallery, faces, K, seed)
        galleries[name]["any_look"] = _first_at_any_look(name, ranks, faces, lines)
    for far, threshold in references.thresholds.items():
        one_to_one[far] = _count_matches(far, threshold, faces, lines)
        linked[far] = {"far": far, **_linked(faces.after[:, 0], faces.clean, faces.persons, threshold)}
    counts = {
        "faces": len(lines), "persons": len(set(faces.persons)), "galleries": galleries, "one_to_one": one_to_one,
        "linked": linked, "histograms": _histograms(references, faces, seed),
    }  # fmt: skip
    return counts, dict(zip(faces.keys, lines, strict=True))


def _faces(references: References, photos: Sequence[tuple[str, int, np.ndarray]], looks: Iterable[FaceLooks]) -> _Faces:
    ordered = sorted(photos, key=lambda photo: references.row_of[photo[:2]])
    keys = [(path, number) for path, number, _ in ordered]
    rows = [references.row_of[key] for key in keys]
    after, clean = np.stack([embeddings for *_, embeddings in ordered]), references.clean[rows]
    other = np.stack([_embedding(references.others[row], clean[i]) for i, row in enumerate(rows)])
    own = np.einsum("fhd,fd->fh", after, clean)
    worst_of = worst_looks(references, looks)
    worst = [worst_of.get(key) for key in keys]
    return _Faces(
        keys=keys,
        persons=[references.persons[row] for row in rows],
        after=after,
        clean=clean,
        has_other=np.array([references.others[row] is not None for row in rows]),
        own=own,
        other=np.einsum("fhd,fd->fh", after, other),
        control=(clean * other).sum(1),
        worst=worst,
        at_any_look=np.maximum(own[:, 0], [-1 if looked is None else looked.similarity for looked in worst]),
    )


def _line_of_looks(similarity: float, worst: Worst | None) -> Json:
    """A face's line: how alike it is, as the audit sees it and at the worst further look."""
    return {
        "similarity": similarity,
        "similarity at the worst further look": None if worst is None else worst.similarity,
        "worst further look": "" if worst is None else worst.look,
    }


def _first_at_any_look(name: str, ranks: np.ndarray, faces: _Faces, lines: Sequence[Json]) -> Json:
    """How many faces are at rank 1 in a gallery at one look at least; each one's ranks are added to its line."""
    first = 0
    for line, rank, worst in zip(lines, ranks, faces.worst, strict=True):
        line[f"{RANK}{name}"] = int(rank)
        line[f"{LOWEST_RANK}{name}"] = None if worst is None else worst.lowest[name]
        line[f"{FIRST_AT}{name}"] = "" if worst is None else "; ".join(worst.first_at[name])
        first += bool(rank == 1 or line[f"{FIRST_AT}{name}"])
    return {"first": first, "n": len(lines)}


def _count_matches(far: str, threshold: float, faces: _Faces, lines: Sequence[Json]) -> Json:
    """How many faces a one-to-one comparison accepts; whether it accepts a face is added to its line."""
    own, other, has_other = faces.own >= threshold, faces.other >= threshold, faces.has_other
    at_any_look = faces.at_any_look >= threshold
    for line, matches, at_any in zip(lines, own[:, 0], at_any_look, strict=True):
        line[f"matches at FAR {far}"] = bool(matches)
        line[f"matches at FAR {far} at any look"] = bool(at_any)
    return {
        "far": far,
        "threshold": threshold,
        "handlings": {
            name: {
                "n": len(own),
                "matches": int(own[:, h].sum()),
                "n_other": int(has_other.sum()),
                "matches_other": int(other[has_other, h].sum()),
            }
            for h, name in enumerate(HANDLINGS)
        },
        "any_look": {"n": len(own), "matches": int(at_any_look.sum())},
        "control": {"n": int(has_other.sum()), "matches": int((faces.control[has_other] >= threshold).sum())},
    }


def _count_gallery(gallery: Gallery, faces: _Faces, K: int | None, seed: int) -> tuple[Json, np.ndarray]:
    """The counts of the faces in one gallery, and their ranks as published (F,)."""
    threshold, persons, has_other = gallery.open_set_threshold, faces.persons, faces.has_other
    handlings: Json = {}
    published = other = np.zeros(0, int)
    for h, name in enumerate(HANDLINGS):
        ranks, ranks_other = _ranks(gallery, faces.after[:, h], persons, (faces.own[:, h], faces.other[:, h]))
        handlings[name] = {
            "ranks": _tally(ranks),
            "ranks_other": _tally(ranks_other[has_other]),
            "missed": int((~((ranks == 1) & (faces.own[:, h] >= threshold))).sum()),
        }
        if name == AS_PUBLISHED:
            published, other = ranks, ranks_other
    (control,) = _ranks(gallery, faces.clean, persons, (faces.control,))
    missed = ~((control == 1) & (faces.control >= threshold))
    behind = gallery.sizes(persons) + 1  # less the rank: the place from the end, which is 1
    chosen = one_per_person(persons, seed)
    spread = {} if K is None else photos_at_ranks(published, persons, K)
    counts = {
        "size": len(gallery.prototypes) + 1,
        "open_set_threshold": threshold,
        "handlings": handlings,
        "control": {"ranks": _tally(control[has_other]), "missed": int(missed[has_other].sum())},
        "from_the_end": {
            "places": _tally(behind - published),
            "places_other": _tally((behind - other)[has_other]),
            "control": _tally((behind - control)[has_other]),
        },
        "one_per_person": _tally(published[chosen]),
        # Without names, and the same for whichever ranks they are: largest count first.
        "within_person": sorted(sorted(counts, reverse=True) for counts in spread.values()),
    }
    return counts, published


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


def photos_at_ranks(ranks: Iterable[int], persons: Sequence[str], K: int) -> dict[str, list[int]]:
    """Photos at each of the ranks 2..K+1, of each person with two or more there."""
    of_person: dict[str, Counter[int]] = {}
    for rank, person in zip(ranks, persons, strict=True):
        if 2 <= rank <= K + 1:
            of_person.setdefault(person, Counter())[int(rank)] += 1
    return {
        person: [counts[rank] for rank in range(2, K + 2)]
        for person, counts in of_person.items()
        if counts.total() >= 2
    }


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


def _histograms(references: References, faces: _Faces, seed: int) -> Json:
    return {
        "genuine": _histogram(faces.control[faces.has_other]),
        "impostor": _histogram(impostor_scores(references.clean[one_per_person(references.persons, seed)])),
        "protected": _histogram(faces.own[:, 0]),
    }


def _histogram(values: np.ndarray) -> dict[str, int]:
    """Lower edge of the bin as text → how many values."""
    tally = Counter(np.floor(values / BIN).astype(int).tolist())
    return {f"{number * BIN:.2f}": tally[number] for number in sorted(tally)}


def _tally(ranks: np.ndarray) -> dict[str, int]:
    tally = Counter(int(rank) for rank in ranks)
    return {str(rank): tally[rank] for rank in sorted(tally)}


def _embedding(face: ReferenceFace | None, instead: np.ndarray) -> np.ndarray:
    return instead if face is None else face.embedding
