"""Files stored whole or not at all, and never over another program's file or the original."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from deid.errors import CannotWrite, OutputExists, reason_of


def write_atomically(data: bytes, path: Path, *, overwrite: bool = False, mode: int = 0o666) -> None:
    """Store `data` as the file `path`, whole or not at all; folders above it are made.

    mode: of the file, less the umask, as for any file that a user saves (tempfile would make it 0600).

    Raises OutputExists (unless `overwrite`; also where another program was faster by a moment) and
    CannotWrite. Whatever happens, an interruption included, no temporary file stays behind.
    """
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
            if overwrite:
                part.replace(path)
            else:
                _move_without_clobbering(part, path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise CannotWrite(f"cannot write {path}: {reason_of(error)}") from error


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


def same_file(a: Path, b: Path) -> bool:
    """Whether two paths lead to one file: the same path, a symbolic or hard link, or another case."""
    try:
        return a.samefile(b)
    except OSError:  # one does not exist: only the same path can be the same file
        return os.path.abspath(a) == os.path.abspath(b)  # noqa: PTH100 (Path.absolute keeps "..")
