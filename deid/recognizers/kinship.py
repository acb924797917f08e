"""How close a recognizer is to those a photo was protected against: what its answer is worth."""

from collections.abc import Sequence
from typing import Literal

from deid.recognizers.checkpoints import Entry

RecognizerClass = Literal["surrogate", "related", "independent", "unknown"]
# The most telling answer last: a report shows the worst figures first, and within equal ones this order.
CLASSES: tuple[RecognizerClass, ...] = ("unknown", "surrogate", "related", "independent")


def class_of(entry: Entry, surrogates: Sequence[Entry] | None) -> RecognizerClass:
    """surrogates: the recognizers attacked, None where nobody knows; a recognizer of unstated origin stays unknown."""
    if surrogates is None:
        return "unknown"
    if any(entry.sha256 == other.sha256 for other in surrogates):
        return "surrogate"
    if any(_related(entry, other) for other in surrogates):
        return "related"
    return "independent" if entry.details.get("training_data") else "unknown"


def _related(a: Entry, b: Entry) -> bool:
    """Did one teach the other, had they one teacher, or have they or their teachers seen the same training data?"""
    taught = a.name in b.teachers or b.name in a.teachers
    return taught or bool(set(a.teachers) & set(b.teachers)) or bool(_photos_behind(a) & _photos_behind(b))


def _photos_behind(entry: Entry) -> set[str]:
    """What it was trained on, and what its teachers were."""
    said = [entry.details.get("training_data") or "", *(entry.details.get("teacher_trained_on") or "").split("; ")]
    return {seen for seen in said if seen}
