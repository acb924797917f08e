import json
from pathlib import Path

import pytest

from deid.commands import main as cli
from deid.experiments import transfer
from deid.images.handlings import AS_PUBLISHED
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import manifest


@pytest.mark.shared_data
def test_the_table_tells_blur_from_nothing_and_goes_on_where_it_was(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(transfer, "GALLERY_SIZE", 5)
    people = str(shared_data / "lfw")
    command = ["reproduce", "transfer", "--people", people, "--out", str(tmp_path), "--count", "2"]
    command += ["--method", "blur 2", "--method", "blur 6"]
    assert cli.run(command) == 0
    first = capsys.readouterr().out
    document = json.loads((tmp_path / "transfer.json").read_text())
    assert first == (tmp_path / "transfer.md").read_text()
    assert first.splitlines()[2].startswith("| clean photo |")
    faint, strong = document["rows"]
    assert (faint["n"], strong["n"]) == (2, 2)
    assert faint["ssim"]["value"] > strong["ssim"]["value"]
    assert 0 < faint["flip"]["value"] < strong["flip"]["value"]
    assert set(transfer.SURROGATES) <= set(document["thresholds"]) <= set(manifest())
    for name in document["thresholds"]:
        assert document["clean"][name]["n"] == 2
        assert strong["matched"][name][AS_PUBLISHED]["value"] <= document["clean"][name]["value"]
        assert strong["classes"][name] in ("independent", "unknown")  # a blur follows nobody's gradients
        searched = strong["first"][name]
        assert searched["protected"]["value"] <= searched["clean"]["value"] == 1
    assert "| blur 2 | 2 | 100 % (16–100), " in first.split("first among 5 others")[1]
    assert faint["places"]["lightcnn9"]["median"] == pytest.approx(1 / 6), "first of six"
    assert (tmp_path / "transfer.svg").read_bytes().startswith(b"<?xml")

    def not_again(*_: object) -> None:
        raise AssertionError("measured twice")

    monkeypatch.setattr(transfer, "measure_transfer", not_again)
    assert cli.run(command) == 0
    assert capsys.readouterr().out == first


def test_every_profile_has_a_row_beside_blur_and_mosaic() -> None:
    assert {how.get("profile", "stranger") for how in transfer.METHODS.values()} == PROFILES.keys()
    assert {how.get("method") for how in transfer.METHODS.values()} == {None, "blur", "pixelate"}


def test_a_surrogate_left_out_is_not_attacked() -> None:
    assert "facenet-casia" not in transfer.SURROGATES, "the witness that is never attacked"
    for names in transfer.LEFT_OUT:
        protector = transfer.protector_for("cpu", **transfer.METHODS[f"stranger without {' and '.join(names)}"])
        attacked = [surrogate.recognizer.name for surrogate in protector.surrogates]
        assert sorted([*names, *attacked]) == sorted(transfer.SURROGATES)


def test_a_teacher_is_also_left_out_with_who_learned_from_it() -> None:
    together = {names for names in transfer.LEFT_OUT if len(names) > 1}
    learned = [(name, manifest()[name].teachers) for name in transfer.SURROGATES]
    assert together == {(teacher, name) for name, teachers in learned for teacher in teachers}


def test_a_row_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["reproduce", "transfer", "--people", str(tmp_path), "--out", str(tmp_path), "--method", "magic"]
    assert cli.run(command) == 2
    assert "no method called magic" in capsys.readouterr().err


def test_without_a_choice_it_measures_the_curve_beside_blur_and_mosaic(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(transfer, "reproduce_transfer", lambda *_, methods, **__: asked.append(list(methods)) or "")
    command = ["reproduce", "transfer", "--people", str(tmp_path), "--out", str(tmp_path)]
    assert cli.run(command) == 0
    assert cli.run([*command, "--method", "paper"]) == 0
    usual = ["stranger", "blur 2", "blur 4", "blur 6", "mosaic 6", "mosaic 10"]
    assert asked == [usual, ["paper"]]
    assert set(usual) <= transfer.METHODS.keys()


def test_evenness_is_told_from_crowding_at_the_ends() -> None:
    even = transfer._evenness([(i + 0.5) / 200 for i in range(200)])
    assert even["p_even"] > 0.99
    assert (even["first_percent"]["value"], even["last_tenth"]["value"]) == (0.01, 0.1)
    crowded = transfer._evenness([0.995] * 20 + [(i + 0.5) / 80 for i in range(80)])
    assert crowded["last_percent"]["value"] == pytest.approx(0.21, abs=0.011)
    assert crowded["p_even"] < 0.01
