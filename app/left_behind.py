"""What a server that was killed could not delete of its own: its folder, and the journals of runs in it.

A journal lies in the user's private state, beside those of runs that are to go on. It is a page's own if its run read
photos from a session's folder, and left behind if that folder is gone.
"""

import json
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import unquote

import platformdirs

PREFIX = "deid-ui-"  # of a server's folder; it is named so once it is locked
UNNAMED = f".{PREFIX}"  # of one that is not yet
# A session's folder: the server's, the browser's, its own.
_SESSION = re.compile(rf"(.*/{PREFIX}[^/]+/b[0-9a-f]{{32}}/[0-9a-f]{{16}})/.*", re.DOTALL)


def delete_left_behind(lock: Callable[[Path], None], settled: float) -> None:
    """Folders whose servers are gone, and what they kept elsewhere.

    lock: raises OSError for a folder that is in use, or is none of ours.
    settled: seconds after which a server that is starting has surely named its folder.
    """
    if sys.platform == "win32":  # nothing tells there whether a server runs
        return
    place = Path(tempfile.gettempdir())
    for folder in [*place.glob(f"{PREFIX}*"), *place.glob(f"{UNNAMED}*")]:
        with suppress(OSError):  # in use, another user's, or gone meanwhile
            if folder.name.startswith(PREFIX) or time.time() - folder.stat().st_mtime > settled:
                lock(folder)
                shutil.rmtree(folder)
    for journal in (Path(platformdirs.user_state_dir("face-deid")) / "journals").glob("*.sqlite"):
        found = _SESSION.fullmatch(_input_of(journal))
        if found and not Path(found[1]).exists():
            journal.unlink(missing_ok=True)
            journal.with_name(f"{journal.name}-journal").unlink(missing_ok=True)


def _input_of(journal: Path) -> str:
    """The folder that a run reads; empty where nobody knows, or the run goes on."""
    try:
        with closing(sqlite3.connect(f"{journal.as_uri()}?mode=rw", uri=True, timeout=0)) as database:
            (configuration,) = database.execute("SELECT value FROM configuration").fetchone()
        return unquote(str(json.loads(configuration)["input"]))
    except (sqlite3.Error, ValueError, TypeError, LookupError):
        return ""
