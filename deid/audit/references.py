"""The clean side of an audit: who is on the originals, and what one recognizer has of them to compare with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deid.audit.galleries import Gallery, galleries_of
from deid.audit.persons import ReferenceFace, another_photo, one_per_person, persons_in_gallery, persons_of
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE, Store
from deid.recognizers.checkpoints import Entry

# Decides which faces are of one person: of the shipped recognizers the best on clean photos.
JUDGE = "dlib-resnet"
UNREACHABLE = 1.01  # a cosine: without a threshold everybody is taken for a person of their own
FARS = ("1e-2", "1e-3")  # false-accept rates of the one-to-one comparisons
# Clean impostor pairs that a threshold needs, at least; below it the one shipped with the weights is taken.
PAIRS_FOR = {"1e-2": 1_000, "1e-3": 10_000}
MOST_IMPOSTORS = 1000  # faces of different persons that are compared with each other


@dataclass(frozen=True, eq=False)
class References:
    """The clean side of an audit for one recognizer. Its F faces are those of the originals, by the photos' hashes.

    clean: (F, D) unit vectors.
    persons: the person of each face.
    others: see `another_photo`.
    row_of: (photo, face number) → row of `clean`.
    thresholds: cosine at each false-accept rate.
    thresholds_from: where they come from, as a report says it.
    galleries: by the names a report gives them.
    """

    clean: np.ndarray
    persons: tuple[str, ...]
    others: tuple[ReferenceFace | None, ...]
    row_of: Mapping[tuple[str, int], int]
    thresholds: Mapping[str, float]
    thresholds_from: str
    galleries: Mapping[str, Gallery]


@dataclass(frozen=True, eq=False)
class Persons:
    """Who is who, for all recognizers alike.

    of_face: the person of each of the originals' faces.
    of_gallery: of each face of the gallery the one of these persons whom it shows, or an empty text.
    source: how that was found out, as a report says it.
    """

    of_face: list[str]
    of_gallery: list[str]
    source: str


def judge_persons(store: Store, entries: dict[str, Entry]) -> Persons:
    """Judged once, by the recognizer that is best at it. entries: the recognizers of this audit, by name."""
    thresholds = {name: entry.details.get("thresholds", {}).get("1e-3", UNREACHABLE) for name, entry in entries.items()}
    judge = JUDGE if JUDGE in entries else min(thresholds, key=lambda name: thresholds[name] == UNREACHABLE)
    threshold = thresholds[judge]
    faces, people = faces_of(store, ORIGINALS, judge), faces_of(store, PEOPLE, judge)
    source = f"guessed from the clean photos by {judge} at a cosine of {threshold}"
    if people:
        source = f"enrolled people's folders; who is in none of them {source}"
    persons = persons_of(faces, people, threshold)
    return Persons(persons, persons_in_gallery(faces_of(store, GALLERY, judge), faces, persons, threshold), source)


def references_for(store: Store, entry: Entry, persons: Persons, seed: int) -> References:
    """What one recognizer, whose weights `entry` is, has of the originals. seed: see `AuditOptions`."""
    faces, people = faces_of(store, ORIGINALS, entry.name), faces_of(store, PEOPLE, entry.name)
    real = faces_of(store, GALLERY, entry.name)
    clean = np.stack([face.embedding for face in faces]) if faces else np.zeros((0, 1), np.float32)
    thresholds, source = thresholds_of(clean, persons.of_face, entry, seed)
    strangers = np.stack([face.embedding for face in real]) if real else clean[one_per_person(persons.of_face, seed)]
    own_files = {face.sha256 for face in faces}
    # The same photo in the gallery would be the face's own.
    others = [
        (face.embedding, person)
        for face, person in zip(real, persons.of_gallery, strict=True)
        if face.sha256 not in own_files
    ]
    return References(
        clean=clean,
        persons=tuple(persons.of_face),
        others=tuple(another_photo(faces, persons.of_face, people)),
        row_of=_rows(faces),
        thresholds=thresholds,
        thresholds_from=source,
        galleries=galleries_of(
            entry,
            strangers,
            _prototypes(people),
            np.stack([embedding for embedding, _ in others]) if others else clean[:0],
            [person for _, person in others],
            seed,
        ),
    )


def _prototypes(people: Sequence[ReferenceFace]) -> dict[str, np.ndarray]:
    """Name of an enrolled person → the mean of their faces, a unit vector (D,)."""
    enrolled: dict[str, list[np.ndarray]] = {}
    for face in people:
        enrolled.setdefault(face.folder or "", []).append(face.embedding)
    means = {name: np.mean(embeddings, 0) for name, embeddings in enrolled.items()}
    return {name: mean / np.linalg.norm(mean) for name, mean in means.items()}


def _rows(faces: Sequence[ReferenceFace]) -> dict[tuple[str, int], int]:
    """(photo, face number) → position in `faces`, in which the faces of a photo stand by their numbers."""
    counted: dict[str, int] = {}
    rows = {}
    for row, face in enumerate(faces):
        number = counted.get(face.path, 0)
        rows[face.path, number] = row
        counted[face.path] = number + 1
    return rows


def faces_of(store: Store, place: str, recognizer: str) -> list[ReferenceFace]:
    """The faces of a place, by their files' SHA-256: nothing that is counted depends on what photos are called."""
    files = {path: record["sha256"] for path, record in store.records(place)}
    return [
        ReferenceFace(path, files[path], path.split("/")[0] if "/" in path else None, embeddings[0])
        for path, _, embeddings in sorted(
            store.embeddings(place, recognizer), key=lambda face: (files[face[0]], face[0], face[1])
        )
    ]


def thresholds_of(clean: np.ndarray, persons: Sequence[str], entry: Entry, seed: int) -> tuple[dict[str, float], str]:
    """Cosine at each FAR from pairs of clean faces of different persons, one face each, or shipped; and which it is."""
    rows = one_per_person(persons, seed)[:MOST_IMPOSTORS]
    shipped = {far: float(value) for far, value in entry.details.get("thresholds", {}).items()}
    pairs = len(rows) * (len(rows) - 1) // 2
    if pairs < PAIRS_FOR["1e-2"]:
        return shipped, f"shipped with the weights ({pairs} clean impostor pairs here)" if shipped else "none"
    scores = impostor_scores(clean[rows])
    measured = {far: float(np.quantile(scores, 1 - float(far))) for far in FARS if pairs >= PAIRS_FOR[far]}
    source = f"{pairs} clean impostor pairs of these originals"
    missing = [far for far in FARS if far not in measured and far in shipped]
    if missing:
        source += f"; {', '.join(missing)} shipped with the weights"
    thresholds = {
        far: measured.get(far, shipped.get(far, math.nan)) for far in FARS if far in measured or far in shipped
    }
    return thresholds, source


def impostor_scores(faces: np.ndarray) -> np.ndarray:
    """Cosines of all pairs of faces of different persons, of at most a thousand of them: half a million pairs."""
    faces = faces[:MOST_IMPOSTORS]
    return (faces @ faces.T)[np.triu_indices(len(faces), 1)]
