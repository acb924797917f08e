import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from deid.batch.journal import VERSION, Journal, photo_from_json
from deid.errors import UsageError
from deid.faces.face import Face
from deid.types import FaceResult, Opinion, PhotoResult

ANNA, BEN = np.eye(4, dtype=np.float32)[:2]
ANNA_AGAIN = np.array([0.96, 0.28, 0, 0], np.float32)
FACE = Face((1.25, 2.0, 30.1, 40.7), np.random.default_rng(0).uniform(0, 50, (5, 2)), 0.99)


def of(*embeddings: np.ndarray) -> list[tuple[Face, np.ndarray]]:
    return [(FACE, embedding) for embedding in embeddings]


def people(journal: Journal) -> dict[int, tuple[int, list[float]]]:
    """Every cluster: how many faces, and where they point to."""
    return {cluster.id: (cluster.faces, [round(float(v), 3) for v in cluster.total]) for cluster in journal.clusters()}


def test_a_changed_photo_leaves_the_clusters_of_its_earlier_faces(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", of(ANNA, BEN), 0.9)
    journal.add_found("b", "1", of(ANNA_AGAIN), 0.9)
    assert people(journal) == {1: (2, [1.96, 0.28, 0, 0]), 2: (1, [0, 1, 0, 0])}
    journal.add_found("a", "2", of(BEN), 0.9)
    assert people(journal) == {1: (1, [0.96, 0.28, 0, 0]), 2: (1, [0, 1, 0, 0])}
    assert [known.cluster for known in journal.faces_of("a")] == [2]
    journal.close()


def test_a_changed_photo_does_not_join_its_own_earlier_face(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", of(ANNA), 0.9)
    journal.add_found("a", "2", of(ANNA_AGAIN), 0.9)
    assert people(journal) == {1: (1, [0.96, 0.28, 0, 0])}
    journal.close()


def test_a_person_in_no_photo_any_more_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", of(ANNA), 0.9)
    journal.add_found("a", "2", of(), 0.9)
    assert journal.clusters() == []
    assert journal.paths() == ["a"]
    journal.close()


def test_a_face_comes_back_as_it_was_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", of(ANNA_AGAIN), 0.9)
    (known,) = journal.faces_of("a")
    assert (known.face.box, known.face.probability) == (FACE.box, FACE.probability)
    assert np.array_equal(known.face.landmarks, FACE.landmarks)
    assert np.array_equal(known.embedding, ANNA_AGAIN)
    journal.close()


def test_faces_under_way_count_at_the_k_that_is_reserved_for_them(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    for name in "ab":
        journal.add_found(name, "1", of(ANNA, BEN), 0.9)
    journal.reserve("a", {0: 3, 1: 4})
    journal.reserve("b", {0: 4})
    assert journal.rank_counts() == {3: 1, 4: 2}
    assert journal.rank_counts(cluster=1) == {3: 1, 4: 1}
    face = FaceResult(FACE.box, "itself", "protected", k=3, rank_after=3)
    other = FaceResult(FACE.box, "itself", "protected", k=4, rank_after=9)
    journal.finish("a", PhotoResult("a", "out", "protected", "paper", "k-a3", 5, (face, other)))
    assert journal.rank_counts() == {3: 1, 9: 1, 4: 1}, "published, a face counts where it stands"
    journal.finish("b", PhotoResult("b", None, "failed", "paper", "k-a3", 5))
    assert journal.rank_counts() == {3: 1, 9: 1}, "what failed gives its k back"
    journal.close()


def test_what_an_ended_run_had_under_way_is_free_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", of(ANNA), 0.9)
    journal.reserve("a", {0: 3})
    journal.close()
    journal = Journal(tmp_path / "journal", {})
    assert journal.rank_counts() == {}
    journal.close()


def test_a_journal_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE photos (path TEXT PRIMARY KEY)")
    before = path.read_bytes()
    with pytest.raises(UsageError, match=r"another version of this program: move the journal .* away"):
        Journal(path, {})
    assert path.read_bytes() == before


def test_a_journal_with_other_columns_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with closing(sqlite3.connect(path)) as other:
        other.executescript(f"CREATE TABLE faces (path TEXT); PRAGMA user_version = {VERSION};")
    with pytest.raises(UsageError, match=r"cannot be used \(no such column: k\): move it away"):
        Journal(path, {})


def test_an_option_that_came_later_was_not_given_before(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", {"K": 5}).close()
    Journal(tmp_path / "journal", {"K": 5, "strength": None}).close()
    with pytest.raises(UsageError, match="strength was None"):
        Journal(tmp_path / "journal", {"K": 5, "strength": 8.0})


def test_what_recognizers_said_comes_back() -> None:
    asked = (Opinion("a", "surrogate", 1, 12, False), Opinion("b", "unknown", 1, 1, None))
    face = FaceResult((1.0, 2.0, 3.0, 4.0), "itself", "protected", 3, rank_before=1, rank_after=12, recognizers=asked)
    result = PhotoResult("a.png", "b.png", "protected", "stranger", "feature-level", 5, (face,))
    document = json.loads(json.dumps(result.to_json()))
    assert photo_from_json(document).faces == result.faces
    del document["faces"][0]["recognizers"]  # as earlier versions wrote it
    assert photo_from_json(document).faces[0].recognizers == ()
