"""Files stored whole or not at all, and never over another program's file or the original."""

import errno
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from deid.errors import CannotWrite, OutputExists, UsageError, reason_of

Identity = tuple[int, int]
"""Device and inode: one for all paths that lead to a file or folder, by links, bind mounts or another case."""
Kept = Mapping[Identity, str]
"""Files, and folders with all in them, that are never written to → how a message names them."""
NOTHING: Kept = MappingProxyType({})


def write_atomically(
    data: bytes,
    path: Path,
    *,
    overwrite: bool = False,
    mode: int = 0o666,
    kept: Kept = NOTHING,
    date: int | None = None,
) -> None:
    """Store `data` as the file `path`, whole or not at all; folders above it are made.

    A symbolic link called `path` is replaced itself, what it leads to stays; links to folders are followed.

    mode: of the file, less the umask, as for any file that a user saves (tempfile would make it 0600).
    date: of the file's last change, in nanoseconds since 1970; None: now.

    Raises OutputExists (unless `overwrite`; also where another program was faster by a moment), CannotWrite, and
    UsageError for a path that leads to what is `kept`. Whatever happens, an interruption included, no temporary file
    stays behind.
    """
    keep_off(path, kept)
    if not overwrite and os.path.lexists(path):
        raise OutputExists(f"{path} exists already")
    part = path.parent / f".deid-{secrets.token_hex(8)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(part, flags, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if date is not None:
                os.utime(part, ns=(date, date))
            keep_off(path, kept)  # again: a slow disk takes long enough for somebody to move a folder
            if overwrite:
                part.replace(path)
            else:
                _move_without_clobbering(part, path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise CannotWrite(f"cannot write {path}: {reason_of(error)}") from error


def is_part(name: str) -> bool:
    """Whether a file is called as the temporary ones of `write_atomically`, which a killed process leaves behind."""
    return re.fullmatch(r"\.deid-[0-9a-f]{16}\.part", name) is not None


def _move_without_clobbering(part: Path, path: Path) -> None:
    """Give the finished file `part` the name `path`; raises OutputExists if that is taken, by whomever."""
    exists = OutputExists(f"{path} exists already")
    try:
        os.link(part, path)
        return
    except FileExistsError:
        raise exists from None
    except (OSError, AttributeError):
        pass  # no hard links here (FAT, some shares): claim the name with an empty file, then replace that
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        raise exists from None
    try:
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def identities(paths: Iterable[Path], what: str) -> dict[Identity, str]:
    """Files and folders to be kept, as far as they can be found, each called «PATH, `what`» in messages."""
    found: dict[Identity, str] = {}
    for path in paths:
        with suppress(OSError, ValueError):
            if (identity := _identity(path)) is not None:
                found[identity] = f"{path}, {what}"
    return found


def keep_off(path: Path, kept: Kept) -> None:
    """Raises UsageError if `path` leads to one of the files or into one of the folders that are `kept`.

    A link to such a file counts as the file, though only the link would be replaced: nobody means that.
    Raises CannotWrite where it cannot be told.
    """
    try:
        found = [_identity(place) for place in (path, _real(path.parent), *_real(path.parent).parents)]
    except (OSError, ValueError) as error:
        raise CannotWrite(f"cannot write {path}: {reason_of(error)}") from error
    if what := next((kept[identity] for identity in found if identity is not None and identity in kept), None):
        raise UsageError(f"{path} leads to {what}, which is never overwritten")


def lies_in(path: Path, folder: Path) -> bool:
    """Whether `path` is the folder or somewhere in it, by whatever links and mounts; neither has to exist yet."""
    return any(same_file(place, _real(folder)) for place in (_real(path), *_real(path).parents))


def _real(path: Path) -> Path:
    """The path without links, as far as it exists; Path.resolve raises for a circle of links."""
    return Path(os.path.realpath(path))


def _identity(path: Path) -> Identity | None:
    """None if the path leads nowhere. Raises OSError where that cannot be told, ValueError for what is no path."""
    try:
        found = os.stat(path)  # noqa: PTH116 (Path.stat is the same)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    return found.st_dev, found.st_ino


def same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one file: the same path, a symbolic or hard link, or another case."""
    try:
        return a.samefile(b)
    except OSError:  # one does not exist: only the same path can be the same file
        return os.path.abspath(a) == os.path.abspath(b)  # noqa: PTH100 (Path.absolute keeps "..")
