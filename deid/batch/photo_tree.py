"""The two trees of a folder run: which photos there are, what they are called, and where each is saved."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from deid.batch.journal import Journal, journal_path
from deid.errors import UsageError
from deid.images.formats import output_suffix, picture_suffixes
from deid.storage.atomic import Identity, identities, lies_in


def check_places(source: Path, target: Path) -> None:
    """Raises UsageError for folders that a run cannot lead from and to."""
    if not source.is_dir():
        raise UsageError(f"{source} is not a folder")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is not a folder")
    if lies_in(source, target) or lies_in(target, source):
        raise UsageError(f"{source} and {target} lie in one another: originals and protected photos need two places")
    if lies_in(journal_path(target), target):
        raise UsageError(f"{target} holds this program's private journals: protected photos need another place")


def photos_in(folder: Path) -> Iterator[Path]:
    """Every picture by its name, broken links too, so that none is missing in silence. Linked folders are left out.

    Raises UsageError for a folder that cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UsageError(f"the folder {error.filename} cannot be read: {error.strerror}")

    for place, inner, files in os.walk(folder, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in picture_suffixes():
                yield Path(place, name).relative_to(folder)


def kept_photos(folder: Path, paths: Iterable[Path], what: str) -> dict[Identity, str]:
    """Photos, relative to `folder`, and the folders that they lie in, not to be written to: see `write_atomically`.

    what: each photo is, as messages call it.
    """
    paths = list(paths)
    folders = {folder, *(folder / place for path in paths for place in path.parents)}
    return identities(folders, f"a folder of {what}s") | identities(
        (folder / path for path in paths), f"one of the {what}s"
    )


def journal_name(path: Path) -> str:
    """A photo's name in the journal: plain text for whatever bytes a file's name has."""
    return quote(os.fsencode(path))


def path_of(name: str) -> Path:
    """The photo that has this name in the journal."""
    return Path(os.fsdecode(unquote_to_bytes(name)))


def output_name(path: Path) -> Path:
    """Where a photo is saved, below the output folder."""
    return path.with_suffix(output_suffix(path))


def owners_of_outputs(paths: Sequence[Path], journal: Journal) -> dict[Path, Path]:
    """Which photo is saved under each name: the one that was before, else the first."""

    def new(path: Path) -> bool:
        entry = journal.entry(journal_name(path))
        return entry is None or entry.output_sha256 is None

    owners: dict[Path, Path] = {}
    for path in sorted(paths, key=lambda path: (new(path), path)):
        owners.setdefault(output_name(path), path)
    return owners
