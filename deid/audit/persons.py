"""Which faces are of one person, and with which other photo of the person a face can be compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from deid.batch.clusters import Cluster, assign

SAME_IMAGE = 0.999  # cosine of a face with itself, read from the same file twice


@dataclass(frozen=True, eq=False)
class ReferenceFace:
    """A clean face, with which protected ones are compared.

    path: journal name of its photo.
    sha256: of the photo's file.
    folder: the person's, where it has one.
    embedding: (D,) unit vector.
    """

    path: str
    sha256: str
    folder: str | None
    embedding: np.ndarray


def persons_of(faces: Sequence[ReferenceFace], people: Sequence[ReferenceFace], threshold: float) -> list[str]:
    """The person of every face (sorted by photo): a folder's name, or #number for one whom no folder names.

    A face of a file that also lies in a person's folder is that person's if it is the one enrolled from there. Other
    faces are of the person whose enrolled face is the most similar, if at least `threshold` similar. The rest are
    clustered by the same threshold: their persons are guesses.
    """
    enrolled = np.stack([face.embedding for face in people]) if people else None
    rows: dict[str, list[int]] = {}
    for row, face in enumerate(people):
        rows.setdefault(face.sha256, []).append(row)

    def enrolled_name(face: ReferenceFace) -> str | None:
        if enrolled is None:
            return None
        similarities = enrolled @ face.embedding
        if face.sha256 in rows:
            own = max(rows[face.sha256], key=lambda row: float(similarities[row]))
            if similarities[own] >= SAME_IMAGE:
                return people[own].folder
        best = int(similarities.argmax())
        return people[best].folder if similarities[best] >= threshold else None

    clusters: dict[int, Cluster] = {}
    persons: list[str] = []
    for _, group in groupby(faces, key=lambda face: face.path):
        photo = list(group)
        names = [enrolled_name(face) for face in photo]
        # The faces of one photo are different people, so they are clustered together.
        unnamed = [face.embedding for face, name in zip(photo, names, strict=True) if name is None]
        grown = assign(unnamed, list(clusters.values()), threshold)
        clusters |= {cluster.id: cluster for cluster in grown}
        guesses = iter(grown)
        persons += [name if name is not None else f"#{next(guesses).id}" for name in names]
    return persons


def persons_in_gallery(
    gallery: Sequence[ReferenceFace], faces: Sequence[ReferenceFace], persons: Sequence[str], threshold: float
) -> list[str]:
    """For each face of a gallery the person of `faces` whom it shows, by the same threshold; else an empty text.

    Somebody who stands in the gallery beside themselves would seem to be outranked by a stranger.
    """
    if not faces:
        return [""] * len(gallery)
    embeddings = np.stack([face.embedding for face in faces])
    similarities = [embeddings @ face.embedding for face in gallery]
    return [persons[int(row.argmax())] if row.max() >= threshold else "" for row in similarities]


def another_photo(
    faces: Sequence[ReferenceFace], persons: Sequence[str], people: Sequence[ReferenceFace]
) -> list[ReferenceFace | None]:
    """For each face the next one of its person out of another file, originals first; None where there is none."""
    of_person: dict[str, list[ReferenceFace]] = {}
    for face, person in zip(faces, persons, strict=True):
        of_person.setdefault(person, []).append(face)
    index_of = {id(face): index for group in of_person.values() for index, face in enumerate(group)}
    enrolled: dict[str, list[ReferenceFace]] = {}
    for face in people:
        enrolled.setdefault(face.folder or "", []).append(face)
    others = []
    for face, person in zip(faces, persons, strict=True):
        group, index = of_person[person], index_of[id(face)]
        candidates = group[index + 1 :] + group[:index] + enrolled.get(person, [])
        others.append(next((other for other in candidates if other.sha256 != face.sha256), None))
    return others


def one_per_person(persons: Sequence[str], seed: int) -> np.ndarray:
    """Rows of one random face a person: photos of one person are not independent."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[int]] = {}
    for row, person in enumerate(persons):
        rows.setdefault(person, []).append(row)
    return np.array([group[int(rng.integers(len(group)))] for group in rows.values()], dtype=int)
