"""What recognizers behind defenses are asked."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from deid.audit.lessons import Known, Lesson, lessons_for
from deid.defenses.registry import DEFENSES
from deid.errors import UsageError


@dataclass(frozen=True, eq=False)
class Question:
    """Whom a recognizer behind a defense, which has learned a lesson, takes a face for.

    id: tells the answers to it from those to any other, of another recognizer or after other photos.
    """

    id: str
    defense: str
    lesson: Lesson


def check_defenses(names: Sequence[str]) -> None:
    """Raises UsageError for an unknown name."""
    if unknown := [name for name in names if name not in DEFENSES]:
        raise UsageError(f"no defense called {', '.join(unknown)}: there are {', '.join(DEFENSES) or 'none'}")


def questions_to(recognizer: str, known: Known, defenses: Sequence[str], seed: int) -> list[Question]:
    """Of each defense what there is to ask. seed: of its training. Raises UsageError as `lessons_for` does."""
    return [
        Question(_id(recognizer, name, lesson, seed), name, lesson)
        for name in dict.fromkeys(defenses)
        for lesson in lessons_for(known, DEFENSES[name].photos, name)
    ]


def _id(recognizer: str, defense: str, lesson: Lesson, seed: int) -> str:
    told = [recognizer, defense, seed, lesson.knows, list(lesson.people), lesson.faces, lesson.labels]
    return hashlib.sha256(json.dumps(told).encode() + lesson.prototypes.tobytes()).hexdigest()
