"""What somebody knows who asks with a defense: clean photos of the people, and whom else a face is looked up among."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from deid.audit.references import Persons, References, faces_of
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE, Key, Store
from deid.errors import UsageError

THIS_PHOTO, ANOTHER_PHOTO = "this photo", "another photo"
MOST_OF_A_PERSON = 32  # photos that a defense learns from, or as many as it needs
MOST_LEARNED = 1024  # photos in all: they are held in memory
NAMED = 5  # persons that a refusal names


@dataclass(frozen=True, eq=False)
class KnownFace:
    """A clean face. person: see `Persons`; embedding: (D,) unit vector."""

    key: Key
    person: str
    embedding: np.ndarray


@dataclass(frozen=True, eq=False)
class Known:
    """The clean faces of an audit as one recognizer sees them.

    originals: those from which the published photos were made.
    enrolled: the people's other photos.
    strangers: of the gallery, a face of somebody else each.
    decoys: (M, D) unit vectors.
    """

    originals: Sequence[KnownFace]
    enrolled: Sequence[KnownFace]
    strangers: Sequence[KnownFace]
    decoys: np.ndarray


@dataclass(frozen=True, eq=False)
class Lesson:
    """Whom a classifier of M identities knows, and the photos that a defense before it may learn from.

    knows: `THIS_PHOTO` where the originals of the published photos are among these, else `ANOTHER_PHOTO`.
    people: person → class.
    prototypes: (M, D) unit vectors, the mean of all known faces of each.
    faces, labels: photos to learn from, and the class of each; classes without any come last.
    """

    knows: str
    people: Mapping[str, int]
    prototypes: np.ndarray
    faces: tuple[Key, ...]
    labels: tuple[int, ...]


def known_faces(store: Store, recognizer: str, persons: Persons, references: References) -> Known:
    """recognizer: by name, `references` are its own. A file that is an original, too, is one of the originals alone."""
    originals = [
        KnownFace((ORIGINALS, *key), person, embedding)
        for key, person, embedding in zip(references.row_of, references.persons, references.clean, strict=True)
    ]
    files = {record["sha256"] for _, record in store.records(ORIGINALS)}
    enrolled = [
        KnownFace((PEOPLE, face.path, 0), face.folder or "", face.embedding)
        for face in faces_of(store, PEOPLE, recognizer)
        if face.sha256 not in files
    ]
    gallery = zip(faces_of(store, GALLERY, recognizer), persons.of_gallery, strict=True)
    strangers = [
        KnownFace((GALLERY, face.path, 0), f"/{number}", face.embedding)  # no folder has such a name
        for number, (face, person) in enumerate(gallery)
        if not person and face.sha256 not in files
    ]
    return Known(originals, enrolled, strangers, _decoys(references))


def _decoys(references: References) -> np.ndarray:
    """Those of the first gallery, in which enrolled people stand last."""
    for gallery in references.galleries.values():
        return gallery.prototypes[: len(gallery.prototypes) - len(gallery.persons)]
    return references.clean[:0]


def lessons_for(known: Known, photos: int, title: str) -> list[Lesson]:
    """What there is to learn, with this very photo known and with another one; a lesson is of two identities or more.

    photos: that a defense needs of each person. Where it needs none, decoys are identities, too; where it needs one at
        most, strangers are.
    title: the defense's. Raises UsageError, with names, where there is nothing to learn.
    """
    lessons = {
        THIS_PHOTO: _lesson(THIS_PHOTO, [*known.originals, *known.enrolled], known, photos),
        ANOTHER_PHOTO: _lesson(ANOTHER_PHOTO, known.enrolled, known, photos),
    }
    if not (possible := [lesson for lesson in lessons.values() if lesson is not None]):
        raise UsageError(f"{title} {_too_few(_by_person([*known.originals, *known.enrolled]), photos)}")
    return possible


def _lesson(knows: str, faces: Sequence[KnownFace], known: Known, photos: int) -> Lesson | None:
    of_person = {person: own for person, own in _by_person(faces).items() if len(own) >= photos}
    of_stranger = _by_person(known.strangers) if photos <= 1 else {}
    learned = _learned(chain(of_person.values(), of_stranger.values()), max(photos, MOST_OF_A_PERSON))
    if photos:
        of_person = {person: own for person, own in of_person.items() if own[0].key in learned}
        of_stranger = {person: own for person, own in of_stranger.items() if own[0].key in learned}
    classes = [*of_person.values(), *of_stranger.values()]
    decoys = known.decoys if photos == 0 else known.decoys[:0]
    if not of_person or len(classes) + len(decoys) < 2:
        return None
    means = np.stack([np.mean([face.embedding for face in own], 0) for own in classes])
    prototypes = np.concatenate([means / np.linalg.norm(means, axis=1, keepdims=True), decoys])
    taught = [(face.key, number) for number, own in enumerate(classes) for face in own if face.key in learned]
    people = {person: number for number, person in enumerate(of_person)}
    return Lesson(
        knows, people, prototypes.astype(np.float32), tuple(key for key, _ in taught), tuple(at for _, at in taught)
    )


def _learned(persons: Iterable[Sequence[KnownFace]], most: int) -> set[Key]:
    """Person by person, `most` photos of each, until there would be too many."""
    learned: set[Key] = set()
    for own in persons:
        if len(learned) + len(own[:most]) > MOST_LEARNED:
            break
        learned |= {face.key for face in own[:most]}
    return learned


def _by_person(faces: Iterable[KnownFace]) -> dict[str, list[KnownFace]]:
    persons: dict[str, list[KnownFace]] = {}
    for face in faces:
        persons.setdefault(face.person, []).append(face)
    return persons


def _too_few(persons: Mapping[str, Sequence[KnownFace]], photos: int) -> str:
    few = [f"{person or 'a folder itself'} has {len(own)}" for person, own in persons.items() if len(own) < photos]
    needs = f"needs {max(1, photos)} clean photos of each of two people or more, or one of two people and decoys"
    if photos:
        needs = f"needs {photos} clean photos of each of two people or more, in --people or among the originals"
    if not few:
        return f"{needs}: {f'only {next(iter(persons))} has them' if persons else 'nobody has them'}"
    more = f" and {len(few) - NAMED} others have too few" if len(few) > NAMED else ""
    return f"{needs}: {', '.join(few[:NAMED])}{more}"
