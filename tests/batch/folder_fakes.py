"""Stand-ins for the recognizer and the attack of a folder run, and small photos for them."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from deid.batch import folder
from deid.batch.work import Finished, Job
from deid.errors import UnreadableImage
from deid.faces.detect import Face
from deid.images.photo import Photo, read_photo
from deid.protection.enrollment import FoundFace
from deid.protection.progress import Watcher, nobody_watches
from deid.types import FaceResult, FolderResult, Options, PhotoResult

K = 5


class KilledError(BaseException):
    """Stands for whatever ends a process: nothing in the program catches it."""


class FakeRecognizer:
    name, sha256, thresholds = "fake", "0" * 64, {"1e-2": 0.8, "1e-3": 0.9}


class FakeProtector:
    """A photo's red value is who is in it: 0 nobody, else one person each."""

    def __init__(self, options: Options) -> None:
        self.options, self.recognizer, self.surrogates, self.device = options, FakeRecognizer(), (), "cpu"

    def find(self, photo: Photo) -> list[FoundFace]:
        person = int(photo.pixels[0, 0, 0])
        if person == 0:
            return []
        embedding = torch.zeros(256)
        embedding[person] = 1
        return [FoundFace(Face((0, 0, 1, 1), np.zeros((5, 2)), 1.0), embedding, None)]


class FakeWork:
    """Stands for `work`: counts its calls.

    Photos in `failing` fail, those in `unverified` fail and are written all the same; `version` ends what is written;
    `meanwhile` is called with the photo and its target before its end.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.unverified: set[str] = set()
        self.version = b""
        self.meanwhile: Callable[[Path, Path], None] | None = None

    def __call__(self, job: Job, protector: FakeProtector, *, watcher: Watcher = nobody_watches) -> Finished:
        self.calls[job.source.name] += 1
        if self.meanwhile is not None:
            self.meanwhile(job.source, job.target)
        base = PhotoResult(str(job.source), None, "protected", "paper", "k-a3", K)
        try:
            read_photo(job.source)
        except UnreadableImage as error:
            return Finished(replace(base, outcome="unreadable", message=str(error)), None)
        if not job.faces:
            return Finished(replace(base, outcome="no-face"), None)
        (k,) = job.ks
        data = b"protected " + os.fsencode(job.source.name) + self.version
        if job.source.name in self.failing | self.unverified:
            face = FaceResult((0, 0, 1, 1), "itself", "failed", k=k, rank_after=1)
            written = data if job.source.name in self.unverified else None
            return Finished(replace(base, outcome="failed", faces=(face,), output=_output(job, written)), written)
        face = FaceResult((0, 0, 1, 1), "itself", "protected", k=k, exact=True, rank_after=k, attack="k-a3")
        return Finished(replace(base, faces=(face,), output=_output(job, data)), data)


def _output(job: Job, data: bytes | None) -> str | None:
    return None if data is None else str(job.target)


def save(path: Path, person: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (person, 0, len(path.name))).save(path)


def run(photos: Path, output: Path | None = None, **options: object) -> FolderResult:
    """A folder run into `out` beside the photos, or into `output`."""
    asked = Options(k_level=K, **{"seed": 1, **options})
    return folder.protect_folder(photos, output or photos.parent / "out", asked, protector=FakeProtector(asked))


def tree(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}
