"""What has become of a photo, kept: first in the journal what will be written, then the file, then that it is done."""

import hashlib
from dataclasses import replace
from pathlib import Path

from deid.batch.journal import Entry, Journal
from deid.batch.work import Finished, format_for
from deid.images.photo import encode_photo, read_photo
from deid.storage.atomic import Kept, write_atomically
from deid.storage.hashes import file_sha256
from deid.types import DONE_BEFORE, Options, PhotoResult


def known_end(entry: Entry, target: Path, *, copy_faceless: bool = False) -> PhotoResult | None:
    """The result of a photo that needs no work: written as recorded, or known to have no face.

    copy_faceless: a photo without a face has to be written as well.

    A photo that failed is tried again, with another draw, and one that could not be read: a disk may have failed.
    """
    result = entry.result
    if result is None or entry.state == "found":
        return None
    written = entry.output_sha256 is not None and target.is_file() and file_sha256(target) == entry.output_sha256
    if result.outcome == "no-face" and (written if copy_faceless else entry.state == "done"):
        return result if written else replace(result, output=None)
    if not written or result.outcome != "protected":
        return None
    return replace(result, outcome="skipped", message=DONE_BEFORE, output=str(target))


def own_output(entry: Entry, target: Path) -> str | None:
    """SHA-256 of the file under a photo's output name if this run wrote it; None for no file, or another's."""
    present = file_sha256(target) if target.is_file() else None
    return present if present in (entry.output_sha256, entry.replaced_sha256) else None


def with_copy(finished: Finished, source: Path, target: Path, options: Options) -> Finished:
    """The same, with the file to be written for a photo without a face: as it looks, encoded anew.

    So nothing of the metadata is in it but what the options keep.

    Raises UnreadableImage, UnsupportedFormat and CannotWrite.
    """
    if finished.result.outcome != "no-face":
        return finished
    photo = read_photo(source)
    data = encode_photo(
        photo,
        file_format=format_for(photo, target),
        quality=options.quality,
        keep_metadata=options.keep_metadata,
        keep_position=options.keep_position,
    )
    return replace(finished, data=data)


def commit(
    name: str,
    target: Path,
    finished: Finished,
    journal: Journal,
    *,
    own: str | None,
    overwrite: bool,
    kept: Kept,
    date: int | None = None,
) -> PhotoResult:
    """Write a finished photo and record it; the result as recorded. Raises as `write_atomically` does.

    name: of the photo in the journal.
    own: see `own_output`; what is there otherwise is replaced only if `overwrite`, and what is `kept` never.
    date: of the file, see `write_atomically`.
    """
    result, data = finished.result, finished.data
    if data is not None:
        result = replace(result, output=str(target))
        journal.intend(name, hashlib.sha256(data).hexdigest(), own, result)
        write_atomically(data, target, overwrite=own is not None or overwrite, kept=kept, date=date)
    elif own is not None:
        stale = f"{target} is still the one of an earlier version of this photo"
        result = replace(result, message=f"{result.message}; {stale}" if result.message else stale)
    journal.finish(name, result)
    return result
