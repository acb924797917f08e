"""SQLite files of the program's private state: one writer at a time, readable by the user alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deid.errors import CannotWrite, UsageError, reason_of

# What SQLite says where the disk or the operating system refuses, by the beginning of the error's name.
_REFUSED = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY")


def open_private_database(path: Path, schema: str, *, busy: str, broken: str) -> sqlite3.Connection:
    """Make or open the file and hold it for as long as the connection lives; a killed process lets go of it.

    schema: statements that make what is not there; all of them or none take effect, so that a process killed here
        leaves nothing half made.

    Raises UsageError with `busy` while another process holds it, and with `broken` for a file that is no such database
    ({path} and {error} in it are filled in), and CannotWrite where there is no place for it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        with closing_if_it_fails(sqlite3.connect(path, timeout=0, isolation_level=None)) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.executescript(f"BEGIN EXCLUSIVE; {schema}; COMMIT;")
    except (OSError, sqlite3.Error) as error:
        if "locked" in str(error):
            raise UsageError(busy) from None
        raise trouble_with(path, error, broken) from error
    return database


@contextmanager
def closing_if_it_fails(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield database
    except BaseException:
        database.close()
        raise


def trouble_with(path: Path, error: Exception, broken: str) -> CannotWrite | UsageError:
    """What to raise for an error of a database: there is no place for it, or it is `broken`."""
    if isinstance(error, OSError) or getattr(error, "sqlite_errorname", "").startswith(_REFUSED):
        return CannotWrite(f"{path} cannot be written: {reason_of(error)}")
    return UsageError(broken.format(path=path, error=error))
