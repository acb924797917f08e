"""The private journal of a folder run: what was drawn, done and written, so that a run can stop anywhere and go on.

It lives under the user's state directory, readable by the user alone, never inside the output folder: ranks, the draw
of k and the embeddings of faces in it would help an attacker.
"""

import hashlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from deid.batch.clusters import Cluster, assign
from deid.errors import UsageError
from deid.faces.face import Face
from deid.storage.private_database import closing_if_it_fails, open_private_database, trouble_with
from deid.types import FaceResult, Opinion, PhotoResult, PossibleFace

VERSION = 3  # of the tables; another one's journals are refused
_BROKEN = "the journal {path} cannot be used ({error}): move it away to begin anew"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS configuration (value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clusters (id INTEGER PRIMARY KEY, total BLOB NOT NULL, faces INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS photos (
    path TEXT PRIMARY KEY, input_sha256 TEXT NOT NULL, state TEXT NOT NULL, output_sha256 TEXT, replaced_sha256 TEXT,
    result TEXT, possible TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE IF NOT EXISTS faces (
    path TEXT NOT NULL, number INTEGER NOT NULL, cluster INTEGER NOT NULL, face TEXT NOT NULL, embedding BLOB NOT NULL,
    k INTEGER, rank INTEGER, PRIMARY KEY (path, number)
);
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True)
class Entry:
    """A photo in the journal. state: found (clustered), intent (about to be written) or done.

    output_sha256: the file written, or about to be; replaced_sha256: this run's own file that it replaces.
    """

    input_sha256: str
    state: str
    output_sha256: str | None
    replaced_sha256: str | None
    result: PhotoResult | None


@dataclass(frozen=True, eq=False)
class KnownFace:
    """A face of a photo that was searched. embedding: float32 (D,), clean; cluster: whose it is, see `clusters`."""

    face: Face
    embedding: np.ndarray
    cluster: int


def journal_path(output: Path) -> Path:
    """Where the journal of a run into `output` is kept."""
    name = hashlib.sha256(os.fsencode(output.resolve())).hexdigest()[:32]
    return Path(platformdirs.user_state_dir("face-deid")) / "journals" / f"{name}.sqlite"


class Journal:
    """One writer at a time: raises UsageError while another process holds it. Every method is one transaction."""

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        """Raises UsageError if the run began with another configuration."""
        if of_another_version(path):
            raise UsageError(
                f"this output folder was begun by another version of this program: move the journal {path} away to "
                "begin anew, or choose another folder"
            )
        self._db = open_private_database(
            path,
            _SCHEMA,
            busy="another run is writing to this output folder: wait for it, or stop it",
            broken=_BROKEN,
        )
        try:
            with closing_if_it_fails(self._db):
                self._agree(json.dumps(configuration, sort_keys=True))
                # What an earlier run had under way when it was ended.
                self._db.execute("UPDATE faces SET k = NULL")
        except (sqlite3.Error, ValueError) as error:
            raise trouble_with(path, error, _BROKEN) from error

    def _agree(self, configuration: str) -> None:
        row = self._db.execute("SELECT value FROM configuration").fetchone()
        if row is None:
            self._db.execute("INSERT INTO configuration VALUES (?)", (configuration,))
            return
        before, now = json.loads(row[0]), json.loads(configuration)
        if changed := [f"{key} was {before.get(key)}" for key in now if now[key] != before.get(key)]:
            raise UsageError(
                f"this output folder was begun with other options ({', '.join(changed)}): use them, or another folder"
            )

    def close(self) -> None:
        self._db.close()

    def entry(self, path: str) -> Entry | None:
        row = self._db.execute(
            "SELECT input_sha256, state, output_sha256, replaced_sha256, result FROM photos WHERE path = ?", (path,)
        ).fetchone()
        if row is None:
            return None
        input_sha256, state, output_sha256, replaced_sha256, result = row
        known = photo_from_json(json.loads(result)) if result else None
        return Entry(input_sha256, state, output_sha256, replaced_sha256, known)

    def paths(self) -> list[str]:
        return [path for (path,) in self._db.execute("SELECT path FROM photos ORDER BY path")]

    def clusters(self) -> list[Cluster]:
        rows = self._db.execute("SELECT id, total, faces FROM clusters ORDER BY id")
        return [Cluster(number, np.frombuffer(total, np.float32), faces) for number, total, faces in rows]

    def add_found(
        self,
        path: str,
        input_sha256: str,
        found: Sequence[tuple[Face, np.ndarray]],
        threshold: float,
        possible: Sequence[Face] = (),
    ) -> None:
        """A photo with its faces and their embeddings (D,), left to right, which join clusters as `assign` says.

        Faces of an earlier version of the photo leave theirs first.

        possible: what no detector is sure of; in no cluster.
        """
        with self._transaction():
            self._leave_clusters(path)
            # The hash of an earlier output stays known: it may be replaced.
            self._db.execute(
                "INSERT INTO photos (path, input_sha256, state, possible) VALUES (?, ?, 'found', ?)"
                " ON CONFLICT (path) DO UPDATE SET"
                " input_sha256 = excluded.input_sha256, state = 'found', possible = excluded.possible",
                (path, input_sha256, json.dumps([_face_record(face) for face in possible])),
            )
            clusters = assign([embedding for _, embedding in found], self.clusters(), threshold)
            for number, ((face, embedding), cluster) in enumerate(zip(found, clusters, strict=True)):
                self._db.execute(
                    "INSERT OR REPLACE INTO clusters VALUES (?, ?, ?)",
                    (cluster.id, _blob(cluster.total), cluster.faces),
                )
                self._db.execute(
                    "INSERT INTO faces (path, number, cluster, face, embedding) VALUES (?, ?, ?, ?, ?)",
                    (path, number, cluster.id, json.dumps(_face_record(face)), _blob(embedding)),
                )

    def _leave_clusters(self, path: str) -> None:
        """Forget the faces of a photo. A cluster that is left empty is gone."""
        clusters = {cluster.id: cluster for cluster in self.clusters()}
        for known in self.faces_of(path):
            left = clusters[known.cluster].total - known.embedding
            self._db.execute(
                "UPDATE clusters SET total = ?, faces = faces - 1 WHERE id = ?", (_blob(left), known.cluster)
            )
        self._db.execute("DELETE FROM clusters WHERE faces = 0")
        self._db.execute("DELETE FROM faces WHERE path = ?", (path,))

    def faces_of(self, path: str) -> list[KnownFace]:
        """The faces of a photo, left to right."""
        rows = self._db.execute("SELECT face, embedding, cluster FROM faces WHERE path = ? ORDER BY number", (path,))
        return [
            KnownFace(_face(json.loads(face)), np.frombuffer(blob, np.float32), cluster) for face, blob, cluster in rows
        ]

    def possible_of(self, path: str) -> list[Face]:
        """The possible faces of a photo, the likeliest first."""
        (text,) = self._db.execute("SELECT possible FROM photos WHERE path = ?", (path,)).fetchone()
        return [_face(record) for record in json.loads(text)]

    def rank_counts(self, cluster: int | None = None) -> Counter[int]:
        """How many faces stand at each rank, over the run or within one cluster.

        Published ones at the rank they were published at, those under way at the k that is reserved for them.
        """
        where, values = ("", ()) if cluster is None else (" AND cluster = ?", (cluster,))
        rows = self._db.execute(
            f"SELECT COALESCE(rank, k) AS held, COUNT(*) FROM faces WHERE held IS NOT NULL{where} GROUP BY held",
            values,
        )
        return Counter(dict(rows.fetchall()))

    def reserve(self, path: str, ks: Mapping[int, int]) -> None:
        """A photo is under way, its faces (by number) at these ks: they count in every draw until it ends."""
        with self._transaction():
            for number, k in ks.items():
                self._db.execute("UPDATE faces SET k = ? WHERE path = ? AND number = ?", (k, path, number))

    def give_back(self, path: str) -> None:
        """Forget the ranks and ks of a photo that is done again, or that failed."""
        self._db.execute("UPDATE faces SET rank = NULL, k = NULL WHERE path = ?", (path,))

    def intend(self, path: str, output_sha256: str, replaced_sha256: str | None, result: PhotoResult) -> None:
        """What is about to be written: after a crash the file tells by its hash whether it was, or is the old one."""
        self._db.execute(
            "UPDATE photos SET state = 'intent', output_sha256 = ?, replaced_sha256 = ?, result = ? WHERE path = ?",
            (output_sha256, replaced_sha256, json.dumps(result.to_json()), path),
        )

    def finish(self, path: str, result: PhotoResult) -> None:
        """The photo is done as `result` says; the faces it published count in the draw from now on."""
        with self._transaction():
            self._db.execute(
                "UPDATE photos SET state = 'done', result = ? WHERE path = ?", (json.dumps(result.to_json()), path)
            )
            self._db.execute("UPDATE faces SET rank = NULL, k = NULL WHERE path = ?", (path,))
            if result.output is not None:
                for number, face in enumerate(result.faces):
                    # A failed face is in the file only if the user asked to write it unverified: then it counts.
                    if face.outcome in ("protected", "failed"):
                        self._db.execute(
                            "UPDATE faces SET rank = ? WHERE path = ? AND number = ?", (face.rank_after, path, number)
                        )

    def _transaction(self) -> sqlite3.Connection:
        """`with` commits at the end and rolls back on any exception."""
        self._db.execute("BEGIN")
        return self._db


def of_another_version(path: Path) -> bool:
    """Whether it is a journal with other tables. A file that is none, or is not there, is not: opening it says so."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as database:
            tables = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            return bool(tables) and database.execute("PRAGMA user_version").fetchone()[0] != VERSION
    except sqlite3.DatabaseError:
        return False


def _face_record(face: Face) -> dict[str, Any]:
    return {"box": face.box, "landmarks": face.landmarks.tolist(), "probability": face.probability}


def _face(record: Mapping[str, Any]) -> Face:
    return Face(tuple(record["box"]), np.array(record["landmarks"], np.float64), record["probability"])


def _blob(vector: np.ndarray) -> bytes:
    return vector.astype(np.float32).tobytes()


def photo_from_json(document: Mapping[str, Any]) -> PhotoResult:
    """The result that `PhotoResult.to_json` made."""
    faces = []
    for face in document["faces"]:
        record = {("matches_at_far_1e_2" if key == "matches_at_far_1e-2" else key): v for key, v in face.items()}
        opinions = tuple(_opinion(opinion) for opinion in record.get("recognizers", ()))
        faces.append(FaceResult(**record | {"box": tuple(record["box"]), "recognizers": opinions}))
    possible = tuple(PossibleFace(tuple(face["box"]), face["score"]) for face in document["possible"])
    return PhotoResult(**{**document, "faces": tuple(faces), "possible": possible})


def _opinion(record: Mapping[str, Any]) -> Opinion:
    return Opinion(**{("kind" if key == "class" else key): value for key, value in record.items()})
