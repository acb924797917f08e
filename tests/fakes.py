"""Stand-ins for what is slow: the work of a folder run, the looking of an audit, the jobs of the page.

What is around them is the real thing. A folder's photos are one color, which says who is in them; an audit's «photo» is
a file of embeddings, one row a face, so that ranks and similarities are known; the page's jobs wait until a test lets
them go.
"""

import hashlib
import io
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deid.app import choosing, handlers
from deid.app.handlers import FoundPhoto, ProtectedPhoto
from deid.app.service import Service
from deid.audit import folders, references, run
from deid.audit.candidates import TRUE, Candidate, Candidates
from deid.audit.galleries import Gallery
from deid.audit.measure import CleanFace, Original, Published, PublishedFace
from deid.audit.run import Audited, AuditOptions, audit
from deid.audit.store import Store
from deid.batch import folder
from deid.batch.work import Finished, Job
from deid.errors import Cancelled, UnreadableImage
from deid.faces.face import Face
from deid.images.handlings import HANDLINGS
from deid.images.photo import Photo, read_photo
from deid.protection.enrollment import FoundFace, FoundFaces
from deid.protection.own_photos import OwnPhotos
from deid.protection.progress import Pace, Step, Watcher, nobody_watches
from deid.recognizers.checkpoints import Entry
from deid.types import FaceResult, FolderResult, Opinion, Options, PhotoResult, PossibleFace

K = 5
POSSIBLE_GREEN = 50  # of a photo's green value for each possible face: more than a JPEG's rounding


class KilledError(BaseException):
    """Stands for whatever ends a process: nothing in the program catches it."""


class FakeRecognizer:
    name, sha256, thresholds = "fake", "0" * 64, {"1e-2": 0.8, "1e-3": 0.9}


class FakeProtector:
    """A photo's red value is who is in it: 0 nobody, else one person each; its green value tells of possible ones."""

    def __init__(self, options: Options) -> None:
        self.options, self.recognizer, self.surrogates, self.device = options, FakeRecognizer(), (), "cpu"
        self.own_photos = OwnPhotos()

    def find(self, photo: Photo) -> FoundFaces:
        person, count = int(photo.pixels[0, 0, 0]), int(photo.pixels[0, 0, 1]) // POSSIBLE_GREEN
        possible = tuple(Face((2.0 + i, 2, 3.0 + i, 3), np.zeros((5, 2)), 0.4) for i in range(count))
        if person == 0:
            return FoundFaces((), possible)
        embedding = torch.zeros(256)
        embedding[person] = 1
        face = Face((0, 0, 1, 1), np.zeros((5, 2)), 1.0)
        return FoundFaces((FoundFace(face, embedding, None),), possible)


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
        possible = tuple(PossibleFace(face.box, face.probability) for face in job.possible)
        base = PhotoResult(str(job.source), None, "protected", "paper", "k-a3", K, possible=possible)
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
            return Finished(replace(base, outcome="failed", faces=(face,)), written)
        face = FaceResult((0, 0, 1, 1), "itself", "protected", k=k, exact=True, rank_after=k, attack="k-a3")
        return Finished(replace(base, faces=(face,)), data)


def save_photo(path: Path, person: int, possible: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (person, possible * POSSIBLE_GREEN, len(path.name))).save(path)


def run_photos(
    photos: Path, output: Path | None = None, *, copy_faceless: bool = False, **options: object
) -> FolderResult:
    """A folder run into `out` beside the photos, or into `output`."""
    asked = Options(k_level=K, **{"seed": 1, **options})
    output = output or photos.parent / "out"
    return folder.protect_folder(photos, output, asked, copy_faceless=copy_faceless, protector=FakeProtector(asked))


def tree(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


# ---------------------------------------------------------------- audits of embeddings

LOOK = "look "  # before a look's name: what every recognizer sees at a further look at a published face
DECOYS = 20  # the first axes are the decoys'
SIZE = 276


def entry(name: str, sha256: str = "", **details: Any) -> Entry:
    details = {"thresholds": {"1e-2": 0.5, "1e-3": 0.6}, "training_data": f"what {name} has seen"} | details
    return Entry(name, "lightcnn9", Path(name), sha256 or hashlib.sha256(name.encode()).hexdigest(), details)


def people(n: int, photos: int = 1, seed: int = 0) -> np.ndarray:
    """Clean embeddings (n, photos, D): of one person alike (cosine 0.8 or so), of two people nearly orthogonal."""
    rng = np.random.default_rng(seed)
    size = SIZE - DECOYS
    of_person = rng.normal(size=(n, 1, size)) / size**0.5
    vectors = of_person + 0.5 * rng.normal(size=(n, photos, size)) / size**0.5
    return unit(np.concatenate([np.zeros((n, photos, DECOYS)), vectors], 2))


def at_rank(clean: np.ndarray, rank: int) -> np.ndarray:
    """What protection makes of a face (D,): exactly the decoys 1 to rank−1 are nearer to it than the face itself."""
    if rank == 1:
        return clean
    moved = 0.5 * clean
    moved[: rank - 1] = 1
    return unit(moved)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def save_faces(path: Path, *faces: np.ndarray | Mapping[str, np.ndarray]) -> Path:
    """faces: embeddings for all recognizers alike, or recognizer (or `LOOK` and a look's name) → embedding."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        np.save(file, np.array([dict(face) if isinstance(face, Mapping) else {"": face} for face in faces]))
    return path


class Looking:
    """Stands for everything that looks at photos; counts what was measured.

    stop_after: interrupt after so many originals.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self.originals: Counter[str] = Counter()
        self.published: Counter[str] = Counter()
        self.stop_after: int | None = None

    def photo(
        self, path: Path, published: Sequence[Path], recognizers: Sequence[Any], device: str, stopwatch: Any
    ) -> tuple[Original, list[Published]]:
        """Stands for `measure_photo`."""
        if self.stop_after is not None and self.originals.total() >= self.stop_after:
            raise KeyboardInterrupt
        self.originals[path.name] += 1
        return self._original(path, recognizers), [self._published(file, recognizers) for file in published]

    def _original(self, path: Path, recognizers: Sequence[Any]) -> Original:
        sha256, faces = _read(path)
        if faces is None:
            return Original(sha256, "unreadable")
        clean = tuple(CleanFace(_face(i), _seen(face, recognizers)) for i, face in enumerate(faces))
        return Original(sha256, "" if clean else "faceless", clean, _pixels(path))

    def _published(self, path: Path, recognizers: Sequence[Any]) -> Published:
        self.published[path.name] += 1
        sha256, faces = _read(path)
        if faces is None:
            return Published(sha256, "unreadable")
        quality = {"ssim": 0.95, "cw_ssim": 0.96, "ms_ssim": 0.97, "psnr": 35.0}
        found = []
        for face in faces:
            seen = _seen(face, recognizers)
            looks = {key.removeprefix(LOOK): embedding for key, embedding in face.items() if key.startswith(LOOK)}
            at_looks = {name: np.stack([*looks.values()]) for name in seen} if looks else {}
            embeddings = {name: np.repeat(row[None], len(HANDLINGS), 0) for name, row in seen.items()}
            found.append(PublishedFace(True, np.zeros((5, 2)), embeddings, quality, tuple(looks), at_looks))
        return Published(sha256, "", tuple(found), thumbnail=np.zeros((32, 32), np.uint8))


class FastStore(Store):
    """Waits for no disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._db.execute("PRAGMA synchronous = OFF")


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Looking:
    """The recognizers `net`, which is attacked, `pupil`, taught by it, and `other`, which has nothing to do with it."""
    looking = Looking([entry("net"), entry("pupil", teacher="net"), entry("other")])

    def chosen(against: Sequence[str]) -> dict[str, Entry]:
        return {name: entry for name, entry in looking.entries.items() if not against or name in against}

    def all_entries() -> dict[str, Entry]:
        return looking.entries

    decoys = np.eye(SIZE, dtype=np.float32)[:DECOYS]

    def galleries_of(
        entry: Entry, clean: Any, enrolled: Mapping[str, np.ndarray], real: Any, of_real: Sequence[str], seed: int
    ) -> Any:
        names = tuple(sorted(enrolled))
        rows = np.stack([*decoys, *(enrolled[name] for name in names)])
        found = {"shipped decoys": Gallery(rows, names, decoys)}
        return found | ({"real people": Gallery(real, tuple(of_real), decoys)} if len(real) else {})

    monkeypatch.setattr(run, "Store", FastStore)
    monkeypatch.setattr(folders, "measure_photo", looking.photo)
    monkeypatch.setattr(run, "load_recognizer", lambda name, device: SimpleNamespace(name=name))
    monkeypatch.setattr(run, "_entries", chosen)
    monkeypatch.setattr(run, "manifest", all_entries)
    monkeypatch.setattr(references, "galleries_of", galleries_of)
    return looking


def audited(originals: Path, *published: Path, against: Sequence[str] = ("net",), **options: Any) -> Audited:
    return audit(originals, published, AuditOptions(k_level=K, against=tuple(against), **options))


def counts_of(found: Audited, recognizer: str = "net", label: int = 0) -> dict[str, Any]:
    return found.document["sets"][label]["counts"]["recognizers"][recognizer]


def gallery_of(found: Audited, recognizer: str = "net", label: int = 0) -> dict[str, Any]:
    figures = found.document["sets"][label]["figures"]["recognizers"][recognizer]
    return figures["galleries"]["shipped decoys"]


def _read(path: Path) -> tuple[str, list[dict[str, np.ndarray]] | None]:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        return sha256, list(np.load(io.BytesIO(data), allow_pickle=True))
    except (ValueError, EOFError):
        return sha256, None


def _seen(face: Mapping[str, np.ndarray], recognizers: Sequence[Any]) -> dict[str, np.ndarray]:
    return {recognizer.name: face.get(recognizer.name, face.get("", np.zeros(0))) for recognizer in recognizers}


def _face(number: int) -> Face:
    return Face((number * 10.0, 0, number * 10.0 + 8, 8), np.zeros((5, 2)), 1.0)


def _pixels(path: Path) -> np.ndarray:
    seed = int(hashlib.sha256(path.read_bytes()).hexdigest()[:8], 16)
    return np.random.default_rng(seed).integers(0, 256, (40, 40), dtype=np.uint8)


# ---------------------------------------------------------------- the page's jobs

BOXES = ((20.0, 20.0, 60.0, 60.0), (100.0, 20.0, 140.0, 60.0))
POSSIBLE = ((70.0, 20.0, 90.0, 50.0), (4.0, 4.0, 16.0, 16.0))
RANK = 4
ASKED = (Opinion("other", "independent", 1, 1, True), Opinion("fake", "surrogate", 1, RANK, False))
PROTECTED = FaceResult(
    BOXES[0], "itself", "protected", RANK, True, 1, RANK, 1.0, 0.6, False, 0.95, 0.96, 33.0, 12, recognizers=ASKED
)


@dataclass
class Work:
    """What protection waits for. go: lets a photo end; why: it fails, if any; options, keys: of the last protection."""

    go: threading.Event = field(default_factory=threading.Event)
    why: str = ""
    options: Options = field(default_factory=Options)
    keys: tuple[str, ...] = ()

    def protect(
        self,
        photo: FoundPhoto,
        keys: Sequence[str],
        options: Options,
        on_step: Callable[[Step], None],
        cancel: threading.Event,
    ) -> ProtectedPhoto:
        """Turns the chosen boxes black."""
        self.options, self.keys = options, tuple(keys)
        working = tuple(range(1, len(keys))) or (0,)
        on_step(Step(1, 7, (RANK,) + (1,) * (len(keys) - 1), working, pace=Pace(7, 40, 12.0)))
        while not self.go.is_set():
            if cancel.is_set():
                raise Cancelled
            time.sleep(0.01)
        if self.why:
            return self.failed(photo, keys, options.k_level)
        pixels = np.array(Image.open(photo.path).convert("RGB"))
        boxes = choosing.places(photo)
        for key in keys:
            x0, y0, x1, y1 = map(int, boxes[key])
            pixels[y0:y1, x0:x1] = 0
        saved = photo.folder / f"{photo.name}-protected{photo.suffix}"
        Image.fromarray(pixels).save(saved)
        private = photo.folder / f"{photo.name}-private-settings.json"
        private.write_text("{}")
        faces = tuple(
            replace(PROTECTED, box=boxes[key]) if key in keys else FaceResult(boxes[key], "itself", "skipped")
            for key in choosing.in_result(photo, keys)
        )
        left = tuple(PossibleFace(boxes[key], 0.4) for key in boxes if choosing.is_possible(key) and key not in keys)
        result = PhotoResult(
            "in", saved.name, "protected", options.profile, options.method, options.k_level, faces, left,
            weights={"fake": "0"},
        )  # fmt: skip
        names, chosen = handlers.names_and_numbers(photo, keys)
        return ProtectedPhoto(result, names, chosen, saved, saved, private, (candidates(),) * len(chosen), 1000)

    def failed(self, photo: FoundPhoto, keys: Sequence[str], k_level: int) -> ProtectedPhoto:
        faces = tuple(
            FaceResult(box, "itself", "failed", RANK, False, 1, RANK, 1.0, 0.6, False, 0.95, 0.96, 33.0, 12)
            for box in photo.boxes
        )
        result = PhotoResult("in", None, "failed", "stranger", "feature-level", k_level, faces, message=self.why)
        return ProtectedPhoto(result, *handlers.names_and_numbers(photo, keys))


def candidates() -> Candidates:
    best = tuple(Candidate(TRUE if rank == 1 else f"decoy {rank}", 1 - rank / 20) for rank in range(1, 11))
    return Candidates(1001, best, best)


def previewed(photo: FoundPhoto, cancel: threading.Event) -> list[Path]:
    """Stands for the short attack: four gray pictures."""
    paths = [photo.folder / f"strength-{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        Image.new("RGB", (120, 150), (60 * number,) * 3).save(path)
    return paths


def find(path: Path) -> FoundPhoto:
    """Two faces, or none where the photo is black; possible ones, too, where its first pixel is (1, 1, 1)."""
    photo = read_photo(path)
    folder = path.parent / f"{path.stem} made"
    folder.mkdir()
    preview = folder / "preview.png"
    Image.fromarray(photo.pixels).save(preview)
    boxes, possible = BOXES if photo.pixels[1:].any() else (), POSSIBLE if (photo.pixels[0, 0] == 1).all() else ()
    return FoundPhoto(path, folder, path.stem, path.suffix, path, preview, 1.0, photo.size, boxes, possible)


def fake_service() -> tuple[Service, Work]:
    work = Work()
    service = Service(warm_up=lambda: None, find_faces=find, preview_strengths=previewed, protect_photo=work.protect)
    return service, work
