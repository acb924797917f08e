"""What the page is built around: sessions, the line of jobs, and the functions that do the work."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deid.types import FolderResult

from . import audit_run, folder_run, handlers
from .job_queue import JobQueue
from .sessions import Sessions


@dataclass
class Service:
    """The functions are fields, so that a test puts others in their place."""

    sessions: Sessions = field(default_factory=Sessions)
    jobs: JobQueue = field(default_factory=JobQueue)
    warm_up: Callable[[], None] = handlers.warm_up
    find_faces: Callable[..., handlers.FoundPhoto] = handlers.find_faces
    preview_strengths: Callable[..., Sequence[Path]] = handlers.preview_strengths
    protect_photo: Callable[..., handlers.ProtectedPhoto] = handlers.protect_photo
    perturbation: Callable[..., object] = handlers.perturbation
    run_folder: Callable[..., FolderResult] = folder_run.run_folder
    audit_folders: Callable[..., audit_run.Report] = audit_run.audit_folders
    read_report: Callable[..., audit_run.Report] = audit_run.read_report
    warm: threading.Event = field(default_factory=threading.Event)
    _warming: threading.Lock = field(default_factory=threading.Lock)

    def ensure_warm(self) -> None:
        """Wait until the recognizer is loaded; the first caller loads it."""
        with self._warming:
            if not self.warm.is_set():
                self.warm_up()
                self.warm.set()
