"""A folder for every session, that nobody else is served from, deleted at its end and at exit.

A server that is killed cannot delete its own: the next one to start does (`left_behind`).

A browser is known by a random cookie, a tab by Gradio's own random session hash. Gradio serves any file under its
folder to whoever knows the name, so the server (`deid.app.guard`) asks here whose a file is.
"""

import atexit
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .left_behind import UNNAMED, delete_left_behind

if sys.platform != "win32":  # there a killed server's files stay
    import fcntl

COOKIE = "deid_browser"
NO_COOKIE = "This page needs cookies from its own address: allow them and load it again."
PREVIEW = "preview "  # before the name of such a job
UNCLAIMED = 3600  # seconds that an upload waits to be used
SETTLED = 60  # seconds after which a server has surely named its folder


class Refused(Exception):  # noqa: N818
    """What came from the browser cannot be used; the message is one line for the user."""


@dataclass(frozen=True, eq=False)
class Session:
    """One open page.

    folder: its files; elsewhere: what else to delete; paused: the folder run was asked to go on later;
    over: the page was closed.
    """

    folder: Path
    elsewhere: list[Path] = field(default_factory=list)
    paused: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    _cancels: dict[str, threading.Event] = field(default_factory=dict)

    def begin(self, job: str) -> threading.Event:
        """What will ask the job that is about to start (of the tab called so) to end: before any button can."""
        cancel = self.cancel_of(job)
        cancel.clear()
        if self.over.is_set():  # the page was closed meanwhile
            cancel.set()
        return cancel

    def cancel_of(self, job: str) -> threading.Event:
        """What asks a job of this session to end."""
        return self._cancels.setdefault(job, threading.Event())

    def end_previews(self) -> None:
        """Ask every job that only shows what would be to end: another photo is here, or the real job begins."""
        for job, cancel in list(self._cancels.items()):
            if job.startswith(PREVIEW):
                cancel.set()

    def delete(self) -> None:
        """End what runs, forget everything."""
        self.over.set()
        for cancel in list(self._cancels.values()):
            cancel.set()
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in self.elsewhere:
            path.unlink(missing_ok=True)

    def new_folder(self) -> Path:
        """For what belongs to one photo or run, inside the session's own."""
        path = self.folder / secrets.token_hex(4)
        path.mkdir(parents=True, mode=0o700)
        return path


class Sessions:
    """All open pages. root: everything lives under it, uploads on their way included."""

    def __init__(self) -> None:
        delete_left_behind(_lock_folder, SETTLED)
        # Locked before it has its name: whoever finds it under that name, and unlocked, may delete it at once.
        unnamed = Path(tempfile.mkdtemp(prefix=UNNAMED)).resolve()
        _lock_folder(unnamed)
        self.root = unnamed.rename(unnamed.with_name(unnamed.name.removeprefix(".")))
        self._open: dict[tuple[str, str], Session] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def of(self, browser: str, page: str) -> Session:
        """The session of a page, begun if it is new. Raises Refused for a browser that keeps no cookie."""
        if not is_token(browser):
            raise Refused(NO_COOKIE)
        with self._lock:
            key = (browser, page)
            if key not in self._open:
                folder = self.root / browser / secrets.token_hex(8)
                folder.mkdir(parents=True, mode=0o700)
                self._open[key] = Session(folder)
            return self._open[key]

    def end(self, browser: str, page: str) -> None:
        """Cancel what runs there and delete its files."""
        with self._lock:
            session = self._open.pop((browser, page), None)
            self._sweep(UNCLAIMED if self._open else 0)
        if session is not None:
            session.delete()

    def _sweep(self, age: float) -> None:
        """Delete uploads of at least so many seconds that no session has claimed: nobody knows whose they are."""
        for path in self.root.glob("*"):
            with suppress(FileNotFoundError):  # an upload that was just moved to its place
                if is_token(path.name) or time.time() - path.stat().st_mtime < age:
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:  # of an upload that was broken off
                    path.unlink()

    def may_read(self, browser: str, path: Path) -> bool:
        """Is this file in a folder of this browser?"""
        return is_token(browser) and "\0" not in str(path) and path.resolve().is_relative_to(self.root / browser)

    def claim(self, upload: Path, session: Session) -> Path:
        """The session's own name for an upload. Raises Refused for anything but an upload that is still there.

        Gradio keeps files of one name and content once, whatever fields and pages they were given to: so the upload
        stays until the session's end.
        A request can name any file it likes: only what Gradio has just received, which lies in a folder that is
        directly under the root and is named by a hash, is taken.
        """
        if "\0" in str(upload):
            raise Refused("The upload did not arrive whole: choose the file again.")
        path = upload.resolve()
        received = path.parent.parent == self.root and not is_token(path.parent.name)
        if not received or not path.is_file():
            raise Refused("The upload did not arrive whole: choose the file again.")
        target = session.new_folder() / path.name
        try:
            target.hardlink_to(path)
        except OSError:  # no hard links here
            shutil.copyfile(path, target)
        session.elsewhere.append(path)
        return target

    def close(self) -> None:
        """End every session and delete everything."""
        with self._lock:
            sessions, self._open = list(self._open.values()), {}
        for session in sessions:
            session.delete()
        shutil.rmtree(self.root, ignore_errors=True)


def _lock_folder(folder: Path) -> None:
    """Mark a folder as used by this process, until it ends. Raises OSError if it is by another, or is none of ours."""
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise


def new_token() -> str:
    """What a browser is known by."""
    return "b" + secrets.token_hex(16)


def is_token(text: str) -> bool:
    """Is it one of ours?"""
    # Gradio's hashes are longer, so a browser's folder is never taken for an upload's.
    return len(text) == 33 and text[0] == "b" and all(c in "0123456789abcdef" for c in text[1:])
