"""Journals of runs that never happened, for audits that look for one."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from fakes import K, entry

from deid.batch.journal import Journal, journal_path
from deid.batch.photo_tree import journal_name
from deid.types import PhotoResult


def write_journal(
    published: Path,
    recognizer: str,
    k_level: int = K,
    files: Sequence[Path] = (),
    weights: str | None = None,
    profile: str | None = None,
) -> Journal:
    """The journal of a run that wrote these files, as they are now; the caller closes it.

    weights: SHA-256 of the recognizer's, by default of the stand-in of this name.
    """
    weights = (entry(recognizer).sha256 if weights is None else weights)[:16]
    configuration = {"K": k_level, "method": "k-a3", "recognizer": f"{recognizer} {weights}", "profile": profile}
    journal = Journal(journal_path(published), configuration)
    for file in files:
        name = journal_name(file.relative_to(published))
        result = PhotoResult(str(file), str(file), "protected", "paper", "k-a3", k_level)
        journal.add_found(name, "sha of the input", [], 0.5)
        journal.intend(name, hashlib.sha256(file.read_bytes()).hexdigest(), None, result)
        journal.finish(name, result)
    return journal
