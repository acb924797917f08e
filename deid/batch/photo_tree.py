"""The two trees of a folder run: which photos there are, what they are called, and where each is saved."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath
from urllib.parse import quote, unquote_to_bytes

from deid.batch.journal import Journal, journal_path
from deid.errors import UsageError, reason_of
from deid.images.formats import output_suffix, picture_suffixes
from deid.images.kinds import kind_of
from deid.images.pillow_settings import input_formats
from deid.storage.atomic import Identity, identities, is_part, lies_in


@dataclass(frozen=True)
class Found:
    """A picture, or a folder that is not entered.

    path: relative to the tree's.
    left_out: why it is not done; empty for a photo.
    """

    path: Path
    left_out: str = ""
    is_folder: bool = False


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
    """Every photo that `pictures_in` finds, without what is left out. Raises as it does."""
    return (found.path for found in pictures_in(folder) if not found.left_out)


def pictures_in(folder: Path, exclude: Sequence[str] = ()) -> Iterator[Found]:
    """Whatever looks like a picture, by its name or its content, so that none is missing in silence.

    Of known suffix or known content: a photo, a broken link, too. Left out are kinds that are not read, hidden files
    and folders with pictures, and linked folders, which could lead anywhere.

    exclude: see `is_excluded`; folders that it names may be unreadable.

    Raises UsageError for a folder that cannot be read.
    """

    def refuse(error: OSError) -> None:
        if not is_excluded(Path(error.filename).relative_to(folder), exclude):
            raise UsageError(f"the folder {error.filename} cannot be read: {error.strerror}")

    for place, inner, files in os.walk(folder, onerror=refuse):
        here = Path(place)
        for name in inner:
            if why := _why_not_entered(here / name):
                yield Found((here / name).relative_to(folder), why, is_folder=True)
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            reason = _why_left_out(here / name)
            if reason is not None:
                yield Found((here / name).relative_to(folder), reason)


def is_excluded(path: PurePath, globs: Sequence[str]) -> bool:
    """Whether a glob names a file or a folder that it lies in, by the name or by the path from the top of the tree."""
    places = [place for place in (path, *path.parents) if place.name]
    return any(fnmatch(text, glob) for glob in globs for place in places for text in (place.name, place.as_posix()))


def _why_not_entered(folder: Path) -> str:
    """Of a folder in the tree; empty for one that is entered, and for a hidden one without pictures."""
    if folder.is_symlink():
        return "a linked folder"
    if not folder.name.startswith("."):
        return ""
    files = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    return "a hidden folder with pictures" if any(_why_left_out(file) is not None for file in files) else ""


def _why_left_out(file: Path) -> str | None:
    """Empty for a photo, None for what is no picture."""
    hidden = file.name.startswith(".")
    if not hidden and file.suffix.lower() in picture_suffixes():
        return ""
    if not file.is_file():  # a pipe could wait for ever
        return None
    try:
        kind = kind_of(file)
    except OSError as error:
        return f"it cannot be read: {reason_of(error)}"
    if kind is None:
        return None
    if kind.format not in input_formats():
        return f"{kind.name} is not read"
    return "hidden" if hidden else ""


def forget_stray_parts(target: Path) -> None:
    """Remove what a killed run had half written below the output folder; links are not followed.

    To be called while the journal is held: then no other folder run is writing there.
    """
    for place, _, names in os.walk(target):
        for name in names:
            if is_part(name):
                with suppress(OSError):
                    Path(place, name).unlink()


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
