"""A folder of photos: first who is in it, then every photo, each step in the journal before it counts."""

import errno
import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deid.anonymity.rank_pmf import rank_pmf
from deid.batch.balanced_draw import balanced_draw
from deid.batch.journal import Entry, Journal, journal_path
from deid.batch.photo_tree import check_places, journal_name, output_name, owners_of_outputs, path_of, photos_in
from deid.errors import CannotWrite, ImageError, UsageError
from deid.images.photo import read_photo
from deid.protection.pipeline import Protector, process_photo
from deid.storage.atomic import write_atomically
from deid.storage.hashes import file_sha256
from deid.types import FolderResult, Options, Outcome, PhotoResult

# After these every further photo would be attacked for nothing.
_NO_MORE_WRITES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

Progress = Callable[[int, int, PhotoResult], None]  # photos done, photos in all, the last one's result


def protect_folder(
    input: Path,
    output: Path,
    options: Options,
    *,
    protector: Protector | None = None,
    progress: Progress = lambda done, total, result: None,
) -> FolderResult:
    """Protect a tree of photos into a mirrored tree. Run again, it goes on; what is done is skipped.

    Files without a picture's suffix and hidden ones are left out. An output that this run did not write is never
    replaced without `options.overwrite`. Raises UsageError, CheckpointError and CannotWrite (the journal); a photo's
    trouble is its outcome. Once the disk is full no further photo is tried.
    """
    check_places(input, output)
    protector = protector or Protector(options)
    paths = sorted(photos_in(input))
    journal = Journal(journal_path(output), _configuration(input, options, protector))
    try:
        _forget_lost(paths, output, journal)
        unreadable: dict[Path, str] = {}
        for path in paths:
            try:
                _find(input, path, protector, journal)
            except OSError as error:
                unreadable[path] = f"the file cannot be read: {error.strerror or error}"
        results = {}
        owners = owners_of_outputs(paths, journal)
        full = ""
        for done, path in enumerate(_person_by_person(paths, journal), 1):
            name = output_name(path)
            if path in unreadable:
                results[path] = _ended(input / path, options, "unreadable", unreadable[path])
            elif owners[name] != path:
                message = f"{owners[name]} is saved under the same name, so nothing was written"
                results[path] = _ended(input / path, options, "failed", message)
            else:
                try:
                    results[path] = _photo(input, path, output / name, protector, journal, full)
                except CannotWrite as error:
                    results[path] = _ended(input / path, options, "failed", str(error))
                    if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_MORE_WRITES:
                        full = f"not tried after this: {error}"
            progress(done, len(paths), results[path])
        photos = tuple(results[path] for path in paths)
        pmf = rank_pmf(journal.rank_counts().elements()).to_dict()
        return FolderResult(photos, dict(Counter(photo.outcome for photo in photos)), pmf, options.k_level)
    except sqlite3.Error as error:
        raise CannotWrite(f"the journal {journal_path(output)} cannot be written: {error}") from error
    finally:
        journal.close()


def _configuration(input: Path, options: Options, protector: Protector) -> dict[str, Any]:
    """What must not change within a run: the draw is balanced for these; in another input a name is another photo."""
    beside = protector.surrogates[1:]
    return {
        "input": quote(os.fsencode(input.resolve())),
        "K": options.k_level,
        "method": options.method,
        "profile": options.profile,
        "recognizer": f"{protector.recognizer.name} {protector.recognizer.sha256[:16]}",
        "beside": {one.recognizer.name: one.recognizer.sha256[:16] for one in beside} or None,
        "people": quote(os.fsencode(options.people.resolve())) if options.people else None,
        "faces": options.faces,
        "strength": options.strength,
        "max visibility": options.max_visibility,
    }


def _forget_lost(paths: Sequence[Path], output: Path, journal: Journal) -> None:
    """Photos gone from both folders are not published any more, so their ranks are free."""
    here = set(paths)
    for name in journal.paths():
        path = path_of(name)
        if path not in here and not (output / output_name(path)).exists():
            journal.give_back(name)


def _find(input: Path, path: Path, protector: Protector, journal: Journal) -> None:
    """Who is in a photo that is new to the journal, or has changed: its faces join clusters or start them.

    Raises OSError for a file that cannot be opened.
    """
    if (input / path).exists() and not (input / path).is_file():
        raise OSError("this is not an ordinary file")  # reading a pipe could wait forever
    sha256 = file_sha256(input / path)
    entry = journal.entry(journal_name(path))
    if entry is not None and entry.input_sha256 == sha256:
        return
    try:
        found = protector.find(read_photo(input / path))
    except ImageError:
        found = []
    threshold = protector.recognizer.thresholds.get("1e-3", 1.0)
    embeddings = [face.embedding.cpu().numpy() for face in found]
    journal.add_found(journal_name(path), sha256, embeddings, threshold)


def _person_by_person(paths: Sequence[Path], journal: Journal) -> list[Path]:
    """The order of the draw: people with most photos first, one after another, so that both balances can hold."""
    sizes = {cluster.id: cluster.faces for cluster in journal.clusters()}

    def key(path: Path) -> tuple[int, int, Path]:
        clusters = journal.clusters_of(journal_name(path))
        largest = max(clusters, key=lambda cluster: (sizes[cluster], -cluster), default=0)
        return -sizes.get(largest, 0), largest, path

    return sorted(paths, key=key)


def _photo(input: Path, path: Path, target: Path, protector: Protector, journal: Journal, full: str) -> PhotoResult:
    """One photo to its end: skipped, or processed, intended, written and finished. Raises CannotWrite.

    full: why nothing can be written any more, if so.
    """
    name, options = journal_name(path), protector.options
    entry = journal.entry(name)
    if entry is None:
        raise RuntimeError(f"{path} is not in the journal")
    if (known := _known_end(entry, target)) is not None:
        if entry.state == "intent" and entry.result is not None:
            journal.finish(name, entry.result)
        return known
    journal.give_back(name)
    if full:
        return _ended(input / path, options, "failed", full)
    present = file_sha256(target) if target.is_file() else None
    own = present if present in (entry.output_sha256, entry.replaced_sha256) else None
    replaceable = own is not None or options.overwrite
    if os.path.lexists(target) and not replaceable:
        message = f"{target} exists and was not written by this run: --overwrite replaces it"
        return _ended(input / path, options, "failed", message)
    try:
        result, data = _processed(input / path, target, protector, journal, name)
        if data is not None:
            journal.intend(name, hashlib.sha256(data).hexdigest(), own, result)
            write_atomically(data, target, overwrite=replaceable)
    except CannotWrite:
        raise
    except (ImageError, UsageError) as error:
        return _ended(input / path, options, "failed", str(error))
    if data is None and own is not None:
        stale = f"{target} is still the one of an earlier version of this photo"
        result = replace(result, message=f"{result.message}; {stale}" if result.message else stale)
    journal.finish(name, result)
    return result


def _processed(
    photo: Path, target: Path, protector: Protector, journal: Journal, name: str
) -> tuple[PhotoResult, bytes | None]:
    processed = process_photo(photo, target, protector, balanced_draw(name, protector, journal))
    written = None if processed.data is None else str(target)
    return replace(processed.result, output=written), processed.data


def _known_end(entry: Entry, target: Path) -> PhotoResult | None:
    """The result of a photo that needs no work: written as recorded, or known to have no face or to be unreadable.

    A photo that failed is tried again, with another draw.
    """
    result = entry.result
    if result is None or entry.state == "found":
        return None
    if entry.state == "done" and result.outcome in ("no-face", "unreadable"):
        return result
    written = entry.output_sha256 is not None and target.is_file() and file_sha256(target) == entry.output_sha256
    if not written or result.outcome != "protected":
        return None
    return replace(result, outcome="skipped", message="done before", output=str(target))


def _ended(photo: Path, options: Options, outcome: Outcome, message: str) -> PhotoResult:
    """The result of a photo that was not processed."""
    return PhotoResult(
        str(photo), None, outcome, options.profile, options.method, options.k_level, message=f"{photo}: {message}"
    )
