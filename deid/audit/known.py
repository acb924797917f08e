"""The clean side of an audit: who is on the originals, and what one recognizer knows of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deid.audit.galleries import Gallery, galleries_of
from deid.audit.persons import KnownFace, another_photo, one_per_person, persons_met, persons_of
from deid.audit.report.figures import FARS
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE, Store
from deid.recognizers.checkpoints import Entry

# Says whose faces are of one person where it is asked: of the shipped recognizers the best on clean photos.
JUDGE = "dlib-resnet"
NOBODY = 1.01  # no cosine reaches it: without a threshold everybody is taken for a person of their own
# Clean impostor pairs that a threshold needs, at least; below it the one shipped with the weights is taken.
PAIRS_FOR = {"1e-2": 1_000, "1e-3": 10_000}
MOST_IMPOSTORS = 1000  # faces of different persons that are compared with each other


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


@dataclass(frozen=True, eq=False)
class Persons:
    """The person of each of the originals' faces, and of each face of the gallery the one of them whom it shows, or an
    empty text; and how that was found out.
    """

    of_face: list[str]
    of_gallery: list[str]
    told_by: str


def judge_persons(store: Store, entries: dict[str, Entry]) -> Persons:
    """Judged once, for all recognizers alike."""
    thresholds = {name: entry.details.get("thresholds", {}).get("1e-3", NOBODY) for name, entry in entries.items()}
    judge = JUDGE if JUDGE in entries else min(thresholds, key=lambda name: thresholds[name] == NOBODY)
    threshold = thresholds[judge]
    faces, people = _faces(store, ORIGINALS, judge), _faces(store, PEOPLE, judge)
    told = f"guessed from the clean photos by {judge} at a cosine of {threshold}"
    if people:
        told = f"enrolled people's folders; who is in none of them {told}"
    persons = persons_of(faces, people, threshold)
    return Persons(persons, persons_met(_faces(store, GALLERY, judge), faces, persons, threshold), told)


def known_by(store: Store, entry: Entry, persons: Persons, seed: int) -> Known:
    faces, people = _faces(store, ORIGINALS, entry.name), _faces(store, PEOPLE, entry.name)
    real = _faces(store, GALLERY, entry.name)
    clean = np.stack([face.embedding for face in faces]) if faces else np.zeros((0, 1), np.float32)
    thresholds, source = thresholds_of(clean, persons.of_face, entry, seed)
    strangers = np.stack([f.embedding for f in real]) if real else clean[one_per_person(persons.of_face, seed)]
    enrolled: dict[str, list[np.ndarray]] = {}
    for face in people:
        enrolled.setdefault(face.folder or "", []).append(face.embedding)
    means = {name: np.mean(group, 0) for name, group in enrolled.items()}
    prototypes = {name: mean / np.linalg.norm(mean) for name, mean in means.items()}
    own = {face.sha256 for face in faces}
    # The same photo in the gallery would be the face's own.
    met = [
        (face.embedding, person)
        for face, person in zip(real, persons.of_gallery, strict=True)
        if face.sha256 not in own
    ]
    others = np.stack([embedding for embedding, _ in met]) if met else clean[:0]
    rows: dict[str, int] = {}
    keys = []
    for face in faces:
        keys.append((face.path, rows.get(face.path, 0)))
        rows[face.path] = rows.get(face.path, 0) + 1
    return Known(
        clean=clean,
        persons=tuple(persons.of_face),
        others=tuple(another_photo(faces, persons.of_face, people)),
        row_of={key: row for row, key in enumerate(keys)},
        thresholds=thresholds,
        thresholds_from=source,
        galleries=galleries_of(entry, strangers, prototypes, others, [person for _, person in met], seed),
    )


def _faces(store: Store, place: str, recognizer: str) -> list[KnownFace]:
    """By their files' SHA-256, so that nothing that is counted depends on what photos are called."""
    files = {path: record["sha256"] for path, record in store.records(place)}
    return [
        KnownFace(path, files[path], path.split("/")[0] if "/" in path else None, embeddings[0])
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
    found = {far: float(np.quantile(scores, 1 - float(far))) for far in FARS if pairs >= PAIRS_FOR[far]}
    source = f"{pairs} clean impostor pairs of these originals"
    missing = [far for far in FARS if far not in found and far in shipped]
    if missing:
        source += f"; {', '.join(missing)} shipped with the weights"
    return {far: found.get(far, shipped.get(far, math.nan)) for far in FARS if far in found or far in shipped}, source


def impostor_scores(faces: np.ndarray) -> np.ndarray:
    """Cosines of all pairs of faces of different persons, of at most a thousand of them: half a million pairs."""
    faces = faces[:MOST_IMPOSTORS]
    return (faces @ faces.T)[np.triu_indices(len(faces), 1)]
