"""What an audit has measured so far, kept on disk so that it can stop anywhere and that memory does not grow.

It holds embeddings of real people: it lies in the user's private state directory, mode 0600, and is deleted when the
report is written, or a month after the audit was last worked on, when the next one begins.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from deid.storage.private_database import open_private_database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS photos (
    place TEXT, path TEXT, stamp TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (place, path)
);
CREATE TABLE IF NOT EXISTS faces (
    place TEXT, path TEXT, number INTEGER, recognizer TEXT, embeddings BLOB NOT NULL,
    PRIMARY KEY (place, path, number, recognizer)
);
CREATE TABLE IF NOT EXISTS looks (
    place TEXT, path TEXT, number INTEGER, recognizer TEXT, names TEXT NOT NULL, embeddings BLOB NOT NULL,
    PRIMARY KEY (place, path, number, recognizer)
);
CREATE TABLE IF NOT EXISTS answers (
    place TEXT, path TEXT, number INTEGER, question TEXT, answer INTEGER NOT NULL,
    PRIMARY KEY (place, path, number, question)
);
"""
_OF_FACES = ("faces", "looks", "answers")
_TABLES = ("photos", *_OF_FACES)
Key = tuple[str, str, int]
"""Of a face: its place, its photo's path, its number there."""
_KEPT_DAYS = 30

# Places of the store, beside the labels of the published sets.
ORIGINALS, PEOPLE, GALLERY = "originals", "people", "gallery"


def extra_of(label: str) -> str:
    """The place of a set's files that have no original."""
    return f"{label}, extra"


def store_path(configuration: dict[str, Any]) -> Path:
    """Where an audit with this configuration keeps its state: the same one when it is started again."""
    name = hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()[:32]
    return Path(platformdirs.user_state_dir("face-deid")) / "audits" / f"{name}.sqlite"


@dataclass(frozen=True, eq=False)
class FaceLooks:
    """Further looks at one face. path, number: the face; names: of the looks; embeddings: (looks, D) float32."""

    path: str
    number: int
    names: tuple[str, ...]
    embeddings: np.ndarray


class Store:
    """place: one of the three named above, a set's label or `extra_of` it; path: journal name of the relative path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        _forget_abandoned(path.parent)
        self._db = open_private_database(
            path,
            _SCHEMA,
            busy="this audit is running already: wait for it, or stop it",
            broken="the audit's state {path} cannot be used ({error}): delete it to begin anew",
        )

    def close(self) -> None:
        self._db.close()

    def delete(self) -> None:
        self.close()
        self.path.unlink(missing_ok=True)

    def stamp(self, place: str, path: str) -> str | None:
        """What `put` was told about the file, to tell whether it has changed since."""
        row = self._db.execute("SELECT stamp FROM photos WHERE place = ? AND path = ?", (place, path)).fetchone()
        return row[0] if row else None

    def put(
        self,
        place: str,
        path: str,
        stamp: str,
        record: dict[str, Any],
        faces: Sequence[Mapping[str, np.ndarray]],
        looks: Sequence[tuple[Sequence[str], Mapping[str, np.ndarray]]] = (),
    ) -> None:
        """Keep a photo's record and, for each face, recognizer → embeddings, float32; what was there goes.

        looks: for each face, names of further looks and recognizer → (looks, D), kept in half precision: it moves a
        cosine by less than 0.0001.
        """
        self._db.execute("BEGIN")
        with self._db:
            for table in _OF_FACES:
                self._db.execute(f"DELETE FROM {table} WHERE place = ? AND path = ?", (place, path))
            self._db.execute(
                "INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)", (place, path, stamp, json.dumps(record))
            )
            self._db.executemany(
                "INSERT INTO faces VALUES (?, ?, ?, ?, ?)",
                [
                    (place, path, number, recognizer, np.ascontiguousarray(values, np.float32).tobytes())
                    for number, face in enumerate(faces)
                    for recognizer, values in face.items()
                ],
            )
            self._db.executemany(
                "INSERT INTO looks VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (place, path, number, recognizer, json.dumps(list(names)), values.astype(np.float16).tobytes())
                    for number, (names, at_looks) in enumerate(looks)
                    for recognizer, values in at_looks.items()
                ],
            )

    def keep_only(self, place: str, paths: Sequence[str]) -> None:
        """Forget photos that are not there any more."""
        for path in {path for path, _ in self.records(place)} - set(paths):
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table} WHERE place = ? AND path = ?", (place, path))

    def put_answers(self, question: str, answers: Mapping[Key, int]) -> None:
        """Keep what was answered to a question about faces; what is put about a photo afterwards forgets it."""
        self._db.execute("BEGIN")
        with self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)",
                [(*key, question, answer) for key, answer in answers.items()],
            )

    def answers(self, question: str) -> dict[Key, int]:
        """To one question, of all faces about which it was asked."""
        query = "SELECT place, path, number, answer FROM answers WHERE question = ?"
        return {(place, path, number): answer for place, path, number, answer in self._db.execute(query, (question,))}

    def record(self, place: str, path: str) -> dict[str, Any]:
        """Of one photo. Raises KeyError for one that is not there."""
        row = self._db.execute("SELECT record FROM photos WHERE place = ? AND path = ?", (place, path)).fetchone()
        if row is None:
            raise KeyError(path)
        return dict(json.loads(row[0]))

    def records(self, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """All photos of a place, by path."""
        for path, record in self._db.execute("SELECT path, record FROM photos WHERE place = ? ORDER BY path", (place,)):
            yield path, json.loads(record)

    def embeddings(self, place: str, recognizer: str, rows: int = 1) -> Iterator[tuple[str, int, np.ndarray]]:
        """(path, face number, embeddings (rows, D)) of every face of a place, by path and number."""
        query = "SELECT path, number, embeddings FROM faces WHERE place = ? AND recognizer = ? ORDER BY path, number"
        for path, number, blob in self._db.execute(query, (place, recognizer)):
            yield path, number, np.frombuffer(blob, np.float32).reshape(rows, -1)

    def looks(self, place: str, recognizer: str) -> Iterator[FaceLooks]:
        """Of every face of a place that has any, by path and number."""
        query = "SELECT path, number, names, embeddings FROM looks WHERE place = ? AND recognizer = ?"
        for path, number, text, blob in self._db.execute(f"{query} ORDER BY path, number", (place, recognizer)):
            if names := tuple(json.loads(text)):
                rows = np.frombuffer(blob, np.float16).astype(np.float32).reshape(len(names), -1)
                yield FaceLooks(path, number, names, rows)


def _forget_abandoned(folder: Path) -> None:
    """Delete the states of audits that nobody has gone on with for `_KEPT_DAYS`."""
    for state in folder.glob("*.sqlite"):
        with suppress(FileNotFoundError):  # another audit may just have done so
            if time.time() - state.stat().st_mtime > _KEPT_DAYS * 86400:
                state.unlink()


def stamp_of(*files: Path) -> str:
    """Sizes and times of files: when they are the same, what was measured of them is still true."""
    stats = [os.stat(file) if file.exists() else None for file in files]  # noqa: PTH116
    return " ".join(f"{stat.st_size}:{stat.st_mtime_ns}" if stat else "none" for stat in stats)
