"""One photo of a folder, protected: by its job and the photo alone. No journal, no order, nothing written."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from deid.errors import UnreadableImage, reason_of
from deid.faces.face import Face
from deid.images.formats import output_format, picture_suffixes
from deid.images.photo import Photo, read_photo
from deid.protection.enrollment import recognized
from deid.protection.pipeline import ended, process_faces
from deid.protection.progress import Watcher, nobody_watches
from deid.protection.protector import Protector
from deid.storage.hashes import file_sha256
from deid.types import PhotoResult


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be done; it can be pickled.

    source, target: the photo, and where its protected version will be saved.
    sha256: of the photo when it was searched.
    faces, embeddings: all its faces, left to right, and their clean embeddings, float32 (F, D).
    chosen: indices of those to protect.
    ks: a rank group for each of the chosen; none for an obfuscation.
    possible: what no detector is sure of, and is left as it is.
    """

    source: Path
    target: Path
    sha256: str
    faces: tuple[Face, ...]
    embeddings: np.ndarray
    chosen: tuple[int, ...]
    ks: tuple[int, ...]
    possible: tuple[Face, ...] = ()


@dataclass(frozen=True)
class Finished:
    """data: the file to be written; None where nothing may be."""

    result: PhotoResult
    data: bytes | None


def work(job: Job, protector: Protector, *, watcher: Watcher = nobody_watches) -> Finished:
    """Protect one photo whose faces are known and whose ks are drawn. Never raises for a bad photo."""
    started = time.perf_counter()
    try:
        photo = read_photo(job.source)
        sha256 = file_sha256(job.source)
    except (UnreadableImage, OSError) as error:
        message = f"{job.source}: {reason_of(error)}"
        return Finished(ended(job.source, protector, "unreadable", message, started), None)
    if sha256 != job.sha256:
        message = f"{job.source}: the photo has changed since its faces were looked for, so nothing was written"
        return Finished(ended(job.source, protector, "failed", message, started), None)
    embeddings = torch.from_numpy(job.embeddings.copy()).to(protector.device)
    found = [recognized(face, embeddings[i], protector.surrogates[0]) for i, face in enumerate(job.faces)]
    processed = process_faces(
        job.source,
        photo,
        format_for(photo, job.target),
        found,
        job.chosen,
        job.ks,
        protector,
        possible=job.possible,
        started=started,
        watcher=watcher,
    )
    return Finished(processed.result, processed.data)


def format_for(photo: Photo, target: Path) -> str:
    """Format to write a photo in: by a picture's suffix; under a name that says nothing, as the photo's own."""
    return output_format(photo.format, target if target.suffix.lower() in picture_suffixes() else None)
