"""A folder of photos: first who is in it (`plan`), then every photo (`work`), each kept before the next (`commit`)."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deid.anonymity.rank_pmf import rank_pmf
from deid.batch.commit import commit, known_end, own_output, with_copy
from deid.batch.journal import Journal, journal_path
from deid.batch.photo_tree import (
    check_places,
    forget_stray_parts,
    is_excluded,
    journal_name,
    kept_photos,
    output_name,
    owners_of_outputs,
    path_of,
    pictures_in,
)
from deid.batch.plan import find_people_in, person_by_person, plan_job
from deid.batch.work import work
from deid.errors import CLOSED, FULL, CannotWrite, ImageError, Interrupted, UsageError, reason_of
from deid.protection.options import is_of_one_photo
from deid.protection.pipeline import kept_date, kept_references
from deid.protection.progress import Watcher, nobody_watches
from deid.protection.protector import Protector, load_protector
from deid.storage.atomic import Identity, identities, keep_off
from deid.types import EXCLUDED, FolderResult, LeftOut, Options, Outcome, PhotoResult

OnPhoto = Callable[[int, int, PhotoResult], None]
"""Called after each photo: photos done, photos in all, the last one's result. What it raises ends the run."""


def protect_folder(
    source: Path,
    target: Path,
    options: Options,
    *,
    exclude: Sequence[str] = (),
    copy_faceless: bool = False,
    protector: Protector | None = None,
    progress: OnPhoto = lambda done, total, result: None,
    on_search: Callable[[], None] = lambda: None,
    watcher: Watcher = nobody_watches,
) -> FolderResult:
    """Protect a tree of photos into a mirrored tree. Run again, it goes on; what is done is skipped.

    What looks like a picture and is not done, see `pictures_in`, is in the result's `left_out`. An output that this run
    did not write is never replaced without `options.overwrite`; an original, and what this run has written of another
    photo, never, whatever links lead to it. Once nothing can be written, as on a full disk, no further photo is tried.

    exclude: globs of photos that are skipped, and of what is left out on purpose: see `is_excluded`.
    copy_faceless: write photos without a face, too: as they look, with the metadata that the options keep.
    protector: loaded before, with these options; None: loaded now.
    on_search: called before each photo is searched for faces; what it raises ends the run.
    watcher: is told of every step of every attack; what it raises ends the run.

    Raises UsageError, CheckpointError and CannotWrite (the journal); a photo's trouble is its outcome. Interrupted for
    a KeyboardInterrupt.
    """
    check_places(source, target)
    if is_of_one_photo(options):
        raise UsageError("a box and a possible face are of one photo: deid photo takes them, deid folder does not")
    protector = protector or load_protector(options)
    pictures = sorted(pictures_in(source, exclude), key=lambda found: found.path)
    named = {found.path for found in pictures if is_excluded(found.path, exclude)}
    left_out = tuple(
        LeftOut(str(source / found.path), found.left_out, found.is_folder)
        for found in pictures
        if found.left_out and found.path not in named
    )
    every = [found.path for found in pictures if not found.left_out]
    paths = [path for path in every if path not in named]
    results = {path: _ended(source / path, options, "skipped", EXCLUDED) for path in every if path in named}
    journal = Journal(journal_path(target), _configuration(source, options, protector))
    try:
        _forget_lost(every, target, journal)
        forget_stray_parts(target)
        kept = kept_photos(source, every, "original") | kept_references(options)
        unreadable = _search_all(source, paths, protector, journal, on_search)
        owners = owners_of_outputs(paths, journal)
        full = ""
        for done, path in enumerate(person_by_person(paths, journal), 1):
            name = output_name(path)
            if path in unreadable:
                results[path] = _ended(source / path, options, "unreadable", unreadable[path])
            elif owners[name] != path:
                message = f"{owners[name]} is saved under the same name, so nothing was written"
                results[path] = _ended(source / path, options, "failed", message)
            else:
                try:
                    results[path] = _photo(
                        source, path, target / name, protector, journal, kept, full, watcher, copying=copy_faceless
                    )
                except CannotWrite as error:
                    results[path] = _ended(source / path, options, "failed", str(error))
                    if isinstance(error.__cause__, OSError) and error.__cause__.errno in (*FULL, *CLOSED):
                        full = f"not tried after this: {error}"
            if results[path].output is not None:
                kept |= identities([target / name], f"the saved version of {source / path}")
            progress(done, len(paths), results[path])
        photos = tuple(results[path] for path in every)
        pmf = rank_pmf(journal.rank_counts().elements()).to_dict()
        counts = Counter[str](photo.outcome for photo in photos)
        return FolderResult(photos, dict(counts), pmf, options.k_level, left_out=left_out)
    except KeyboardInterrupt as interrupt:
        done = sum(path in results or _was_done(path, journal) for path in paths)
        raise Interrupted(f"{done} of {len(paths)} done, run again to go on") from interrupt
    except sqlite3.Error as error:
        raise CannotWrite(f"the journal {journal_path(target)} cannot be written: {reason_of(error)}") from error
    finally:
        journal.close()


def _configuration(source: Path, options: Options, protector: Protector) -> dict[str, Any]:
    """What must not change within a run: the draw is balanced for these; in another input a name is another photo."""
    further = [surrogate.recognizer for surrogate in protector.surrogates[1:]]
    return {
        "input": quote(os.fsencode(source.resolve())),
        "K": options.k_level,
        "method": options.method,
        "profile": options.profile,
        "recognizer": f"{protector.recognizer.name} {protector.recognizer.sha256[:16]}",
        "further surrogates": {recognizer.name: recognizer.sha256[:16] for recognizer in further} or None,
        "people": quote(os.fsencode(options.people.resolve())) if options.people else None,
        "other photos of the person": protector.own_photos.sha256[:16] or None,
        "faces": options.faces,
        "faces left out": options.excluded or None,
        "sure": options.sure,
        "strength": options.strength,
        "blur size": options.blur_size,
    }


def _forget_lost(paths: Sequence[Path], target: Path, journal: Journal) -> None:
    """Photos gone from both folders are not published any more, so their ranks are free."""
    here = set(paths)
    for name in journal.paths():
        path = path_of(name)
        if path not in here and not (target / output_name(path)).exists():
            journal.give_back(name)


def _was_done(path: Path, journal: Journal) -> bool:
    """Whether an earlier run has come to this photo's end, as far as the journal alone can tell."""
    entry = journal.entry(journal_name(path))
    if entry is None or entry.state != "done" or entry.result is None:
        return False
    return entry.result.outcome in ("protected", "no-face")


def _search_all(
    source: Path, paths: Sequence[Path], protector: Protector, journal: Journal, on_search: Callable[[], None]
) -> dict[Path, str]:
    """Look who is in every photo. Returns those that cannot be opened, and why."""
    unreadable = {}
    for path in paths:
        try:
            find_people_in(source, path, protector, journal, on_search)
        except OSError as error:
            unreadable[path] = f"the file cannot be read: {error.strerror or error}"
    return unreadable


def _photo(
    source: Path,
    path: Path,
    output: Path,
    protector: Protector,
    journal: Journal,
    kept: dict[Identity, str],
    full: str,
    watcher: Watcher,
    *,
    copying: bool,
) -> PhotoResult:
    """One photo to its end: skipped, or planned, worked on and committed. Raises CannotWrite.

    kept: what is not to be written to; the photo, as it is when its output is written, is added.
    full: why nothing can be written any more, if so.
    copying: write it without a face, too.
    """
    name, options = journal_name(path), protector.options
    entry = journal.entry(name)
    if entry is None:
        raise RuntimeError(f"{path} is not in the journal")
    if (known := known_end(entry, output, copy_faceless=copying)) is not None:
        if entry.state == "intent" and entry.result is not None:
            journal.finish(name, entry.result)
        return known
    journal.give_back(name)
    if full:
        return _ended(source / path, options, "failed", full)
    try:
        keep_off(output, kept)
        own = own_output(entry, output)
        if os.path.lexists(output) and own is None and not options.overwrite:
            message = f"{output} exists and was not written by this run: --overwrite replaces it"
            return _ended(source / path, options, "failed", message)
        finished = work(plan_job(source, path, output, options, journal), protector, watcher=watcher)
        if copying:
            finished = with_copy(finished, source / path, output, options)
        kept |= kept_photos(source, [path], "original")  # it may have been saved anew meanwhile, as another file
        date = kept_date(source / path, options)
        return commit(name, output, finished, journal, own=own, overwrite=options.overwrite, kept=kept, date=date)
    except (ImageError, UsageError) as error:
        journal.give_back(name)
        if isinstance(error, CannotWrite):
            raise
        return _ended(source / path, options, "failed", str(error))


def _ended(photo: Path, options: Options, outcome: Outcome, message: str) -> PhotoResult:
    """The result of a photo that was not worked on."""
    message = message if outcome == "skipped" else f"{photo}: {message}"
    return PhotoResult(str(photo), None, outcome, options.profile, options.method, options.k_level, message=message)
