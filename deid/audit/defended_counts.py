"""How often a recognizer behind a defense names the person, somebody else, or an attack; and without the defense."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from deid.audit.questions import Question
from deid.audit.references import References
from deid.audit.store import ORIGINALS, Store
from deid.defenses.contract import ADVERSARIAL

Json = dict[str, Any]
SUCCESS, FAILED, DETECTED = "success", "failed", "detected"
SAID = {SUCCESS: "somebody else", FAILED: "the person", DETECTED: "an attack"}  # in the operator's table


def count_defended(
    questions: Sequence[Question],
    references: References,
    published: Iterable[tuple[str, int, np.ndarray]],
    label: str,
    store: Store,
) -> tuple[Json, dict[tuple[str, int], Json]]:
    """Defense → what is known → counts of one published set, and what each face's line in the private part gains.

    published: (photo, face number, embeddings (handlings, D)) of every face; label: the set's.
    """
    faces = [(path, number, embeddings[0]) for path, number, embeddings in published] if questions else []
    counts: Json = {}
    lines: dict[tuple[str, int], Json] = {(path, number): {} for path, number, _ in faces}
    for question in questions:
        lesson, answers = question.lesson, store.answers(question.id)
        persons = {(path, number): references.persons[references.row_of[path, number]] for path, number, _ in faces}
        own = [(path, number, after) for path, number, after in faces if persons[path, number] in lesson.people]
        keys = [(path, number) for path, number, _ in own]
        true = [lesson.people[persons[key]] for key in keys]
        after = [after for *_, after in own]
        clean = [references.clean[references.row_of[key]] for key in keys]
        outcomes = [_outcome(answers[label, *key], person) for key, person in zip(keys, true, strict=True)]
        counts.setdefault(question.defense, {})[lesson.knows] = {
            "persons": len(set(true)),
            "left_out": len(set(persons.values()) - lesson.people.keys()),
            "identities": len(lesson.prototypes),
            "learned": len(lesson.faces),
            "published": _tally(outcomes),
            "clean": _tally(_outcome(answers[ORIGINALS, *key], at) for key, at in zip(keys, true, strict=True)),
            "undefended": _tally(_undefended(after, true, lesson.prototypes)),
            "undefended_clean": _tally(_undefended(clean, true, lesson.prototypes)),
        }
        for key, outcome in zip(keys, outcomes, strict=True):
            lines[key][f"{question.defense}, {lesson.knows} known"] = SAID[outcome]
    return counts, lines


def _undefended(embeddings: Sequence[np.ndarray], true: Sequence[int], prototypes: np.ndarray) -> list[str]:
    named = [int((prototypes @ embedding).argmax()) for embedding in embeddings]
    return [_outcome(answer, person) for answer, person in zip(named, true, strict=True)]


def _outcome(answer: int, true: int) -> str:
    """Of the attack, as `deid.defenses.outcomes` names them."""
    return DETECTED if answer == ADVERSARIAL else FAILED if answer == true else SUCCESS


def _tally(outcomes: Iterable[str]) -> Json:
    found = list(outcomes)
    return {outcome: found.count(outcome) for outcome in SAID}
