from dataclasses import replace
from pathlib import Path

import pytest

from deid.commands import main as cli
from deid.experiments import photos
from deid.protection.profiles import PROFILES
from deid.training.data import held_out_people


@pytest.mark.shared_data
def test_the_table_measures_held_out_people_and_goes_on_where_it_was(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(photos, "ROWS", (("k-a3", "PNG"), ("k-a3", photos.FIXED)))
    monkeypatch.setitem(PROFILES, "paper", replace(PROFILES["paper"], steps=(4,)))  # measured, protected or not
    command = ["reproduce", "photos", "--people", str(shared_data / "lfw"), "--count", "1"]
    assert cli.run(command) == 0
    first = capsys.readouterr().out
    head, line, saved, fixed = first.strip().splitlines()
    assert head.count("|") == line.count("|") == saved.count("|") == fixed.count("|")
    assert "N = 1)" in saved
    assert fixed.startswith("| k-a3 | fixed landmarks |")

    def not_again(*_: object) -> None:
        raise AssertionError("measured twice")

    monkeypatch.setattr(photos, "_saved", not_again)
    monkeypatch.setattr(photos, "_fixed", not_again)
    assert cli.run(command) == 0
    assert capsys.readouterr().out == first


@pytest.mark.shared_data
def test_only_people_kept_from_training_are_measured(shared_data: Path) -> None:
    people = {path.name for path in (shared_data / "lfw").iterdir() if path.is_dir()}
    chosen = photos.held_out_photos(shared_data / "lfw", 30)
    assert len({photo.parent.name for photo in chosen}) == 30
    assert {photo.parent.name for photo in chosen} <= held_out_people(people)
