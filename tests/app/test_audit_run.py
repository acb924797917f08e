"""Audits behind the page, with real recognizers on one small photo."""

import os
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.app import audit_run
from deid.app.sessions import Refused
from deid.live import Cancelled


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
    told: list[tuple[int, int]] = []
    report = audit_run.audit_folders(*sets, 5, tmp_path, told.append, threading.Event())
    assert told == [(1, 1)]
    assert report.verdict in ("met", "violated", "inconclusive")
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


def test_a_cancelled_audit_leaves_nothing(sets: tuple[Path, Path], tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        audit_run.audit_folders(*sets, 5, tmp_path, lambda told: None, cancel)
    assert stores() == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "face-deid audit 1"}', "\udcff"])
def test_what_is_no_report_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Refused, match="not a report"):
        audit_run.read_report(file, None, tmp_path / "place")
