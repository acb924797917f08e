"""Recognizers behind defenses, asked whom they take the published faces for. Interrupted, they go on where they were.

Photos are read a second time, at the landmarks where they were found, a few at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deid.audit.classifier import classifier_of
from deid.audit.questions import Question
from deid.audit.references import References
from deid.audit.sets import PublishedSet
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE, Key, Store
from deid.batch.photo_tree import path_of
from deid.defenses.registry import DEFENSES
from deid.faces.align import align_face
from deid.faces.templates import Template
from deid.images.photo import read_photo
from deid.recognizers.recognizer import Recognizer

Progress = Callable[[int, int, str], None]
FileOf = Callable[[str, str], Path]
"""Of a place and a path of the store: the file."""
ASKED_AT_ONCE = 32  # faces


def files_of(sets: Sequence[PublishedSet], originals: Path, people: Path | None, gallery: Path | None) -> FileOf:
    """Of everything that was measured and has a face."""
    folders = {ORIGINALS: originals, PEOPLE: people, GALLERY: gallery}
    by_label = {part.label: part for part in sets}

    def file_of(place: str, path: str) -> Path:
        if part := by_label.get(place):
            return part.published / part.pairs[path_of(path)]
        folder = folders[place]
        if folder is None:
            raise KeyError(place)
        return folder / path_of(path)

    return file_of


def ask_defenses(
    questions: Sequence[Question],
    recognizer: Recognizer,
    layers: tuple[str, ...],
    references: References,
    labels: Iterable[str],
    *,
    store: Store,
    file_of: FileOf,
    seed: int,
    progress: Progress,
) -> None:
    """Ask everything that has not been answered of every face of a person whom the lesson knows, and of its original.

    One question after another: a defense may take minutes to learn, and is not trained again once it has answered.
    labels: of the published sets; layers: see `classifier_of`; references: the recognizer's own.
    """
    persons = _persons(recognizer.name, references, labels, store)
    # Lessons of the same photos follow one another, so that these are read once.
    lessons = groupby(sorted(questions, key=lambda of: of.lesson.faces), key=lambda of: of.lesson.faces)
    for learned, of_lesson in lessons:
        photos = None
        for question in of_lesson:
            answered, people = store.answers(question.id), question.lesson.people
            pending = [key for key, person in persons.items() if person in people and key not in answered]
            if not pending:
                continue
            title = f"{recognizer.name} behind {question.defense}, {question.lesson.knows} known"
            progress(0, len(pending), f"{title}: learns from {len(learned)} photos")
            if photos is None:
                aligned = [face for _, face in _aligned(learned, recognizer.template, store, file_of)]
                photos = torch.stack(aligned).to(recognizer.device)
            classifier = classifier_of(recognizer, layers, torch.from_numpy(question.lesson.prototypes))
            classes = torch.tensor(question.lesson.labels, device=recognizer.device)
            defended = DEFENSES[question.defense].fit(classifier, photos, classes, seed=seed)
            faces, done = _aligned(pending, recognizer.template, store, file_of), 0
            while part := list(islice(faces, ASKED_AT_ONCE)):
                answers = defended.answers(torch.stack([face for _, face in part]).to(recognizer.device)).tolist()
                store.put_answers(question.id, {key: answer for (key, _), answer in zip(part, answers, strict=True)})
                done += len(part)
                progress(done, len(pending), f"{title}: {path_of(part[-1][0][1])}")


def _persons(recognizer: str, references: References, labels: Iterable[str], store: Store) -> dict[Key, str]:
    """Every published face and the originals of these → the person; the faces of a photo stand together."""
    published = [(label, path, number) for label in labels for path, number, _ in store.embeddings(label, recognizer)]
    originals = sorted({(ORIGINALS, path, number) for _, path, number in published})
    return {key: references.persons[references.row_of[key[1:]]] for key in [*originals, *published]}


def _aligned(keys: Iterable[Key], template: Template, store: Store, file_of: FileOf) -> Iterator[tuple[Key, Tensor]]:
    """Each face (C, S, S) as it was found. A photo is read once for all its faces that stand together."""
    for (place, path), of_photo in groupby(keys, key=lambda key: key[:2]):
        pixels, landmarks = read_photo(file_of(place, path)).pixels, store.record(place, path)["landmarks"]
        for key in of_photo:
            yield key, align_face(pixels, np.array(landmarks[key[2]]), template)
