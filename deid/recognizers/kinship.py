"""How close a recognizer is to those a photo was protected against: what its answer is worth."""

from collections.abc import Sequence

from deid.recognizers.checkpoints import Entry
from deid.types import RecognizerClass

# The most telling answer last: a report shows the worst figures first, and within equal ones this order.
CLASSES: tuple[RecognizerClass, ...] = ("unknown", "surrogate", "related", "independent")


def class_of(entry: Entry, surrogates: Sequence[Entry] | None) -> RecognizerClass:
    """What a recognizer is to those attacked: one of them, related to one, independent of all; unknown where unstated.

    surrogates: the recognizers attacked, none for a photo made without any; None where nobody knows.
    """
    if surrogates is None:
        return "unknown"
    if any(entry.sha256 == other.sha256 for other in surrogates):
        return "surrogate"
    if any(_related(entry, other) for other in surrogates):
        return "related"
    return "independent" if entry.details.get("training_data") else "unknown"


def _related(a: Entry, b: Entry) -> bool:
    """Whether one taught the other, they had one teacher, or they or their teachers saw the same training data."""
    taught = a.name in b.teachers or b.name in a.teachers
    return taught or bool(set(a.teachers) & set(b.teachers)) or bool(_training_data(a) & _training_data(b))


def _training_data(entry: Entry) -> set[str]:
    """What it was trained on, and what its teachers were."""
    own, teachers = (entry.details.get(key) or "" for key in ("training_data", "teacher_trained_on"))
    return {data for data in (*own.split("; "), *teachers.split("; ")) if data}
