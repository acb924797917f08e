"""A service without a recognizer: the page around it is the real one."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from deid.app.handlers import FoundPhoto, ProtectedPhoto
from deid.app.service import Service
from deid.audit.second_opinions import TRUE, Candidate, FaceOpinion, Opinion
from deid.errors import Cancelled
from deid.images.photo import read_photo
from deid.protection.progress import Step
from deid.types import FaceResult, Options, PhotoResult

BOXES = ((20.0, 20.0, 60.0, 60.0), (100.0, 20.0, 140.0, 60.0))
RANK = 4


@dataclass
class Work:
    """What protection waits for. go: lets a photo end; options: of the last protection; why: it fails, if any."""

    go: threading.Event = field(default_factory=threading.Event)
    why: str = ""
    options: Options = field(default_factory=Options)

    def protect(
        self,
        photo: FoundPhoto,
        chosen: Sequence[int],
        options: Options,
        on_step: Callable[[Step], None],
        cancel: threading.Event,
    ) -> ProtectedPhoto:
        """Turns the chosen boxes black."""
        self.options = options
        on_step(Step(1, 7, (RANK,) + (1,) * (len(chosen) - 1), tuple(range(1, len(chosen))) or (0,)))
        while not self.go.is_set():
            if cancel.is_set():
                raise Cancelled
            time.sleep(0.01)
        if self.why:
            return self.failed(photo, chosen, options.k_level)
        pixels = np.array(Image.open(photo.path).convert("RGB"))
        for number in chosen:
            x0, y0, x1, y1 = map(int, photo.boxes[number - 1])
            pixels[y0:y1, x0:x1] = 0
        saved = photo.folder / f"{photo.name}-protected{photo.suffix}"
        Image.fromarray(pixels).save(saved)
        private = photo.folder / f"{photo.name}-private-settings.json"
        private.write_text("{}")
        faces = tuple(
            FaceResult(box, "itself", "protected", RANK, True, 1, RANK, 1.0, 0.6, False, 0.95, 0.96, 33.0, 12)
            if number in chosen
            else FaceResult(box, "itself", "skipped")
            for number, box in enumerate(photo.boxes, 1)
        )
        k_level = options.k_level
        result = PhotoResult("in", saved.name, "protected", "paper", "k-a3", k_level, faces, weights={"fake": "0"})
        return ProtectedPhoto(result, tuple(chosen), saved, saved, private, (opinion(len(chosen)),))

    def failed(self, photo: FoundPhoto, chosen: Sequence[int], k_level: int) -> ProtectedPhoto:
        faces = tuple(
            FaceResult(box, "itself", "failed", RANK, False, 1, RANK, 1.0, 0.6, False, 0.95, 0.96, 33.0, 12)
            for box in photo.boxes
        )
        result = PhotoResult("in", None, "failed", "robust", "k-a3", k_level, faces, message=self.why)
        return ProtectedPhoto(result, tuple(chosen))


def opinion(faces: int) -> Opinion:
    best = tuple(Candidate(TRUE if rank == 1 else f"decoy {rank}", 1 - rank / 20) for rank in range(1, 11))
    return Opinion("fake", "surrogate", (FaceOpinion(1, RANK, 1001, False, best, best),) * faces)


def find(path: Path) -> FoundPhoto:
    """Two faces, or none where the photo is black."""
    photo = read_photo(path)
    folder = path.parent / f"{path.stem} made"
    folder.mkdir()
    preview = folder / "preview.png"
    Image.fromarray(photo.pixels).save(preview)
    return FoundPhoto(path, folder, path.stem, path.suffix, path, preview, 1.0, BOXES if photo.pixels.any() else ())


def fake_service() -> tuple[Service, Work]:
    work = Work()
    return Service(warm_up=lambda: None, find_faces=find, protect_photo=work.protect), work
