import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from deid.batch.clusters import Cluster
from deid.batch.journal import Journal
from deid.errors import UsageError

ANNA, BEN = np.eye(4, dtype=np.float32)[:2]
ANNA_AGAIN = np.array([0.96, 0.28, 0, 0], np.float32)


def people(journal: Journal) -> dict[int, tuple[int, list[float]]]:
    """Every cluster: how many faces, and where they point to."""
    return {cluster.id: (cluster.faces, [round(float(v), 3) for v in cluster.total]) for cluster in journal.clusters()}


def test_a_changed_photo_leaves_the_clusters_of_its_earlier_faces(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", [ANNA, BEN], 0.9)
    journal.add_found("b", "1", [ANNA_AGAIN], 0.9)
    assert people(journal) == {1: (2, [1.96, 0.28, 0, 0]), 2: (1, [0, 1, 0, 0])}
    journal.add_found("a", "2", [BEN], 0.9)
    assert people(journal) == {1: (1, [0.96, 0.28, 0, 0]), 2: (1, [0, 1, 0, 0])}
    assert journal.clusters_of("a") == [2]
    journal.close()


def test_a_changed_photo_does_not_join_its_own_earlier_face(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", [ANNA], 0.9)
    journal.add_found("a", "2", [ANNA_AGAIN], 0.9)
    assert people(journal) == {1: (1, [0.96, 0.28, 0, 0])}
    journal.close()


def test_a_person_in_no_photo_any_more_is_forgotten(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {})
    journal.add_found("a", "1", [ANNA], 0.9)
    journal.add_found("a", "2", [], 0.9)
    assert journal.clusters() == []
    assert journal.paths() == ["a"]
    journal.close()


def test_a_journal_without_embeddings_of_faces_goes_on(tmp_path: Path) -> None:
    """As the first version of this program began it."""
    old = sqlite3.connect(tmp_path / "journal")
    old.executescript("""
        CREATE TABLE configuration (value TEXT NOT NULL);
        CREATE TABLE clusters (id INTEGER PRIMARY KEY, total BLOB NOT NULL, faces INTEGER NOT NULL);
        CREATE TABLE photos (
            path TEXT PRIMARY KEY, input_sha256 TEXT NOT NULL, state TEXT NOT NULL, output_sha256 TEXT,
            replaced_sha256 TEXT, result TEXT
        );
        CREATE TABLE faces (
            path TEXT NOT NULL, number INTEGER NOT NULL, cluster INTEGER NOT NULL, rank INTEGER,
            PRIMARY KEY (path, number)
        );
        INSERT INTO photos (path, input_sha256, state) VALUES ('a', '1', 'done'), ('b', '1', 'done');
        INSERT INTO faces VALUES ('a', 0, 1, 4), ('a', 1, 2, 5), ('b', 0, 1, 6);
    """)
    old.execute("INSERT INTO configuration VALUES (?)", (json.dumps({"K": 5}),))
    for cluster in (Cluster(1, ANNA + ANNA_AGAIN, 2), Cluster(2, BEN, 1)):
        old.execute("INSERT INTO clusters VALUES (?, ?, ?)", (cluster.id, cluster.total.tobytes(), cluster.faces))
    old.commit()
    old.close()
    for _ in range(2):  # the second time it is one of this version
        journal = Journal(tmp_path / "journal", {"K": 5})
        assert journal.rank_counts() == {4: 1, 5: 1, 6: 1}
        assert people(journal) == {1: (2, [1.96, 0.28, 0, 0]), 2: (1, [0, 1, 0, 0])}
        journal.close()
    journal = Journal(tmp_path / "journal", {"K": 5})
    journal.add_found("a", "2", [], 0.9)
    assert people(journal) == {1: (1, [0.98, 0.14, 0, 0])}  # the mean stood for the face that left
    assert journal.rank_counts() == {6: 1}
    journal.add_found("a", "3", [ANNA], 0.9)
    assert journal.clusters_of("a") == [1]
    journal.close()


def test_an_option_that_came_later_was_not_given_before(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", {"K": 5}).close()
    Journal(tmp_path / "journal", {"K": 5, "strength": None}).close()
    with pytest.raises(UsageError, match="strength was None"):
        Journal(tmp_path / "journal", {"K": 5, "strength": 8.0})
