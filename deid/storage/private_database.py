"""SQLite files of the program's private state: one writer at a time, readable by the user alone."""

import sqlite3
from pathlib import Path

from deid.errors import UsageError


def open_private_database(path: Path, schema: str, *, busy: str, broken: str) -> sqlite3.Connection:
    """Make or open the file and hold it for as long as the connection lives; a killed process lets go of it.

    Raises UsageError with `busy` while another process holds it, and with `broken` for a file that is no such database
    ({path} and {error} in it are filled in).
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    database = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
        database.executescript(schema)
    except sqlite3.DatabaseError as error:
        database.close()
        if "locked" in str(error):
            raise UsageError(busy) from None
        raise UsageError(broken.format(path=path, error=error)) from None
    return database
