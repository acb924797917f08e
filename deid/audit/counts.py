"""From embeddings to counts: how many faces stand at each rank, match, can be linked. One recognizer at a time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from deid.audit.galleries import Gallery
from deid.audit.look_counts import FIRST_AT, LOWEST_RANK, RANK, worst_looks
from deid.audit.persons import ReferenceFace, one_per_person
from deid.audit.references import References, impostor_scores
from deid.audit.store import FaceLooks
from deid.images.handlings import AS_PUBLISHED, HANDLINGS

Json = dict[str, Any]

BIN = 0.02  # width of the histograms' bins, in cosine


def count_set(
    references: References,
    published: Iterator[tuple[str, int, np.ndarray]],
    K: int,
    seed: int,
    looks: Iterable[FaceLooks] = (),
) -> tuple[Json, dict[tuple[str, int], Json]]:
    """The counts of one published set, and each face's own line for the private part.

    published: (photo, face number, embeddings (handlings, D)) of every face.
    looks: the further looks at them as published. At «any look» a face is first, or matches, if it does so at one of
    these or at the audit's own; every other count is of the audit's own alone.
    """
    # In the clean faces' order, so that the names of photos do not tell which one stands for its person.
    faces = sorted(
        ((references.row_of[path, number], embeddings) for path, number, embeddings in published),
        key=lambda face: face[0],
    )
    rows = [row for row, _ in faces]
    if not rows:
        return {"faces": 0, "persons": 0, "galleries": {}, "one_to_one": {}, "linked": {}, "histograms": {}}, {}
    after = np.stack([embeddings for _, embeddings in faces])  # (F, handlings, D)
    persons = [references.persons[row] for row in rows]
    clean = references.clean[rows]
    has_other = np.array([references.others[row] is not None for row in rows])
    other = np.stack([_embedding(references.others[row], clean[i]) for i, row in enumerate(rows)])
    own_cosines = np.einsum("fhd,fd->fh", after, clean)
    other_cosines = np.einsum("fhd,fd->fh", after, other)
    control_cosines = (clean * other).sum(1)
    keys = {row: key for key, row in references.row_of.items()}
    worst_of = worst_looks(references, looks)
    worst = [worst_of.get(keys[row]) for row in rows]
    lines: list[Json] = [{"similarity": float(own_cosines[i, 0])} for i in range(len(rows))]
    for line, of_face in zip(lines, worst, strict=True):
        line["similarity at the worst further look"] = None if of_face is None else of_face.similarity
        line["worst further look"] = "" if of_face is None else of_face.look
    any_cosines = np.array(
        [
            max(own, -1 if of_face is None else of_face.similarity)
            for own, of_face in zip(own_cosines[:, 0], worst, strict=True)
        ]
    )
    galleries = {}
    for name, gallery in references.galleries.items():
        galleries[name], ranks = _count_gallery(
            gallery, after, clean, persons, has_other, (own_cosines, other_cosines, control_cosines), K, seed
        )
        first = 0
        for line, rank, of_face in zip(lines, ranks, worst, strict=True):
            line[f"{RANK}{name}"] = int(rank)
            line[f"{LOWEST_RANK}{name}"] = None if of_face is None else of_face.lowest[name]
            line[f"{FIRST_AT}{name}"] = "" if of_face is None else "; ".join(of_face.first_at[name])
            first += bool(rank == 1 or line[f"{FIRST_AT}{name}"])
        galleries[name]["any_look"] = {"first": first, "n": len(rows)}
    one_to_one, linked = {}, {}
    for far, threshold in references.thresholds.items():
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
            "any_look": {"n": len(rows), "matches": int((any_cosines >= threshold).sum())},
            "control": {"n": int(has_other.sum()), "matches": int((control_cosines[has_other] >= threshold).sum())},
        }
        linked[far] = {"far": far, **_linked(after[:, 0], clean, persons, threshold)}
        for i, line in enumerate(lines):
            line[f"matches at FAR {far}"] = bool(own[i, 0])
            line[f"matches at FAR {far} at any look"] = bool(any_cosines[i] >= threshold)
    histograms = {
        "genuine": _histogram(control_cosines[has_other]),
        "impostor": _histogram(impostor_scores(references.clean[one_per_person(references.persons, seed)])),
        "protected": _histogram(own_cosines[:, 0]),
    }
    counts = {
        "faces": len(rows), "persons": len(set(persons)), "galleries": galleries, "one_to_one": one_to_one,
        "linked": linked, "histograms": histograms,
    }  # fmt: skip
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
    """The counts of F faces in one gallery, and their ranks as published (F,).

    after: (F, handlings, D); clean: (F, D); persons: of each face.
    has_other: whether there is another photo of the person (F,).
    cosines: of the faces after each handling with themselves and with the other photo, both (F, handlings), and of the
    clean face with the other photo (F,).
    """
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
    (control_ranks,) = _ranks(gallery, clean, persons, (control,))
    control_ranks = control_ranks[has_other]
    chosen = one_per_person(persons, seed)
    counts = {
        "size": len(gallery.prototypes) + 1,
        "open_set_threshold": threshold,
        "handlings": handlings,
        "control": {
            "ranks": _tally(control_ranks),
            "missed": int((~((control_ranks == 1) & (control[has_other] >= threshold))).sum()),
        },
        "one_per_person": _tally(published[chosen]),
        # Without names, and the same for whichever ranks they are: largest count first.
        "within_person": sorted(
            sorted(counts, reverse=True) for counts in photos_at_ranks(published, persons, K).values()
        ),
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


def _histogram(values: np.ndarray) -> dict[str, int]:
    """Lower edge of the bin as text → how many values."""
    tally = Counter(np.floor(values / BIN).astype(int).tolist())
    return {f"{number * BIN:.2f}": tally[number] for number in sorted(tally)}


def _tally(ranks: np.ndarray) -> dict[str, int]:
    tally = Counter(int(rank) for rank in ranks)
    return {str(rank): tally[rank] for rank in sorted(tally)}


def _embedding(face: ReferenceFace | None, instead: np.ndarray) -> np.ndarray:
    return instead if face is None else face.embedding
