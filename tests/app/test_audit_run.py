"""Audits behind the page, with real recognizers on one small photo."""

import json
import os
import shutil
import sqlite3
import threading
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.app import audit_run
from deid.app.sessions import Refused
from deid.batch.journal import Journal
from deid.errors import Cancelled
from deid.recognizers.checkpoints import manifest
from deid.storage.hashes import file_sha256
from deid.types import PhotoResult


@pytest.fixture
def sets(tmp_path: Path, astronaut: np.ndarray) -> tuple[Path, Path]:
    """An original, and a blurred version of it."""
    originals, published = tmp_path / "originals", tmp_path / "published"
    for folder in (originals, published):
        folder.mkdir()
    small = Image.fromarray(astronaut[:220, 110:330])
    small.save(originals / "a.png")
    small.resize((60, 60)).resize(small.size).save(published / "a.png")
    return originals, published


def stores() -> list[Path]:
    return list((Path(os.environ["XDG_STATE_HOME"]) / "face-deid" / "audits").glob("*"))


def test_an_audit_its_parts_and_its_check(sets: tuple[Path, Path], tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    report = audit_run.audit_folders(*sets, 5, tmp_path, steps.append, threading.Event())
    assert steps == [(1, 1)]
    assert report.verdict in ("met", "violated", "too few", "inconclusive")
    assert "<html" in report.page
    assert report.shared is not None
    assert report.private is not None
    with zipfile.ZipFile(report.shared) as archive:
        assert sorted(archive.namelist()) == ["report.html", "report.json"]
        data = archive.read("report.json")
    assert "faces.csv" in zipfile.ZipFile(report.private).namelist()
    assert str(tmp_path).encode() not in data
    assert stores() == []

    for name, changed in {"as it was": data, "edited": data.replace(b'"k_level": 5', b'"k_level": 4', 1)}.items():
        file = tmp_path / f"{name}.json"
        file.write_bytes(changed)
        place = tmp_path / name
        place.mkdir()
        again = audit_run.read_report(file, sets[1], place)
        assert bool(again.differences) == (name == "edited"), again.differences
    shutil.copyfile(sets[0] / "a.png", sets[1] / "more.png")
    file = tmp_path / "late.json"
    file.write_bytes(data)
    (tmp_path / "late").mkdir()
    late = audit_run.read_report(file, sets[1], tmp_path / "late")
    assert late.differences is not None
    assert ["does not know this file" in line for line in late.differences] == [True]
    assert str(tmp_path) not in late.differences[0]


def test_a_cancelled_audit_leaves_nothing(sets: tuple[Path, Path], tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        audit_run.audit_folders(*sets, 5, tmp_path, lambda counts: None, cancel)
    assert stores() == []


@pytest.fixture
def journal(sets: tuple[Path, Path], tmp_path: Path) -> Path:
    """Of a run at K = 3 that wrote the published photo, on another computer."""
    path = tmp_path / "elsewhere.sqlite"
    weights = manifest()["lightcnn9"].sha256[:16]
    journal = Journal(path, {"K": 3, "method": "k-a3", "recognizer": f"lightcnn9 {weights}"})
    journal.add_found("a.png", "sha of the input", [], 0.5)
    journal.intend(
        "a.png", file_sha256(sets[1] / "a.png"), None, PhotoResult("a.png", "a.png", "protected", "paper", "k-a3", 3)
    )
    journal.close()
    return path


@pytest.mark.parametrize("given", [True, False])
def test_with_the_journal_of_the_run_the_recognizers_have_their_class(
    sets: tuple[Path, Path], tmp_path: Path, journal: Path, given: bool
) -> None:
    audit_run.check_journal(journal)
    report = audit_run.audit_folders(
        *sets, None, tmp_path, lambda counts: None, threading.Event(), journal if given else None
    )
    assert report.private is not None
    document = json.loads(zipfile.ZipFile(report.private).read("report.json"))
    classes = {name: recognizer["class"] for name, recognizer in document["recognizers"].items()}
    expected = {"lightcnn9": "surrogate", "dlib-resnet": "related", "facenet-casia": "independent"}
    assert classes.items() >= (expected if given else dict.fromkeys(expected, "unknown")).items()
    assert document["configuration"]["k_level"] == (3 if given else 5)


def executed(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    return path


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, journal: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_text("no database " * 100)
    other = executed(tmp_path / "other.sqlite", "CREATE TABLE configuration (value TEXT)")
    endless = executed(
        tmp_path / "endless.sqlite",
        "CREATE TABLE configuration (value TEXT)",
        "CREATE VIEW photos AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT i AS path, i AS output_sha256 FROM n",
    )
    computed = executed(
        tmp_path / "computed.sqlite",
        "CREATE TABLE configuration (value TEXT)",
        "CREATE TABLE photos (path TEXT, output_sha256 TEXT AS (hex(zeroblob(1000000))))",
    )
    for path in (text, other, endless, computed):
        with pytest.raises(Refused, match="not the journal of a run"):
            audit_run.check_journal(path)
    for value in ("", "[]", "{}", '{"K": "many", "method": "k-a3", "recognizer": "x"}', '{"K": 5, "method": "k-a3"}'):
        executed(journal, f"UPDATE configuration SET value = '{value}'")
        with pytest.raises(Refused, match="not the journal of a run"):
            audit_run.check_journal(journal)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "face-deid audit 2"}', "\udcff"])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Refused, match="not a report"):
        audit_run.read_report(file, None, tmp_path / "place")
