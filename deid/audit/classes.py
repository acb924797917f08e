"""How close a recognizer is to the one a set was protected against: what its answer is worth."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deid.batch.journal import journal_path
from deid.batch.photo_tree import path_of
from deid.checkpoints import Entry
from deid.obfuscation import OBFUSCATIONS
from deid.types import UsageError

RecognizerClass = Literal["surrogate", "related", "independent", "unknown"]
# The most telling answer last: a report shows the worst figures first, and within equal ones this order.
CLASSES: tuple[RecognizerClass, ...] = ("unknown", "surrogate", "related", "independent")


@dataclass(frozen=True)
class MadeBy:
    """What the private journal of a run says of the set it made. outputs: relative path → SHA-256 of what it wrote."""

    k_level: int
    method: str
    surrogates: tuple[str, ...]
    outputs: dict[Path, str]


def made_by(published: Path) -> MadeBy | None:
    """The run that wrote to this folder, from its journal on this machine; None where there is none.

    Raises UsageError while that run goes on, or for a journal that cannot be read.
    """
    path = journal_path(published)
    if not path.is_file():
        return None
    try:
        with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0) as db:
            row = db.execute("SELECT value FROM configuration").fetchone()
            written = db.execute("SELECT path, output_sha256 FROM photos WHERE output_sha256 IS NOT NULL").fetchall()
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise UsageError(f"a run is still writing to {published}: wait for it") from None
        raise UsageError(f"the journal of {published} cannot be read: {error}") from None
    if row is None:
        return None
    configuration = json.loads(row[0])
    method = configuration["method"]
    # A blur follows no recognizer's gradients.
    surrogates = () if method in OBFUSCATIONS else (configuration["recognizer"].split()[0],)
    return MadeBy(configuration["K"], method, surrogates, {path_of(name): sha256 for name, sha256 in written})


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
    """Did one teach the other, had they one teacher, or have they seen the same training data?"""
    teachers = {a.details.get("teacher"), b.details.get("teacher")} - {None}
    taught = a.name in teachers or b.name in teachers
    siblings = a.details.get("teacher") is not None and a.details.get("teacher") == b.details.get("teacher")
    data = a.details.get("training_data")
    return taught or siblings or (data is not None and data == b.details.get("training_data"))
