"""Audits of photos that are only embeddings, so that ranks and similarities are known and nothing is slow.

A «photo» is a file of embeddings, one row a face. Everything but looking at pixels is the real audit: matching of
files, the store, persons, counts, figures, findings, the document.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deid.audit import folders, references, run
from deid.audit.galleries import Gallery
from deid.audit.measure import CleanFace, Original, Published, PublishedFace
from deid.audit.run import Audited, AuditOptions, audit
from deid.audit.store import Store
from deid.faces.detect import Face
from deid.images.handlings import HANDLINGS
from deid.recognizers.checkpoints import Entry

K = 5
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


def save(path: Path, *faces: np.ndarray | Mapping[str, np.ndarray]) -> Path:
    """faces: embeddings for all recognizers alike, or recognizer → embedding."""
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
        seen = [
            {name: np.repeat(row[None], len(HANDLINGS), 0) for name, row in _seen(face, recognizers).items()}
            for face in faces
        ]
        faces = tuple(PublishedFace(True, embeddings, quality) for embeddings in seen)
        return Published(sha256, "", faces, thumbnail=np.zeros((32, 32), np.uint8))


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
