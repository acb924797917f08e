"""The demo: sample photos in, protected photos and side-by-side pictures out."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deid.commands import demo
from deid.commands import main as cli
from deid.errors import UsageError
from deid.protection.progress import Step, Watcher
from deid.types import FaceResult, Options, PhotoResult

NAMES = ["astronaut.png", "grace_hopper.jpg"]


def a_protection(
    source: Path, target: Path, options: Options, *, protector: object, watcher: Watcher, outcome: str = "protected"
) -> PhotoResult:
    """A stand-in for the pipeline that adds 3 to one corner of the photo."""
    face = FaceResult(
        box=(0, 0, 9, 9), identity="itself", outcome="protected", k=3, exact=True, rank_before=1, rank_after=3,
        ssim=0.97,
    )  # fmt: skip
    watcher(Step(1, 1, (3,)))
    if outcome == "protected":
        pixels = np.array(Image.open(source).convert("RGB"))
        pixels[:9, :9] = np.clip(pixels[:9, :9].astype(int) + 3, 0, 255)
        Image.fromarray(pixels).save(target)
    written = str(target) if outcome == "protected" else None
    weights = {options.recognizer: "0" * 64}
    return PhotoResult(
        str(source),
        written,
        outcome,
        options.profile,
        options.method,
        5,
        faces=(face,),
        weights=weights,  # type: ignore[arg-type]
    )


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The fake pipeline; the protectors that were made."""
    made: list[Any] = []

    def protector(options: Options) -> object:
        made.append(options)
        return object()

    monkeypatch.setattr("deid.commands.demo.load_protector", protector)
    monkeypatch.setattr("deid.protection.pipeline.protect", a_protection)
    return made


def test_the_demo_writes_originals_results_and_pictures(pipeline: list[Any], tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "demo"
    shown = demo.run_demo(folder, say=said.append)
    assert [Path(result.input).name for result, _ in shown] == NAMES
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        name
        for photo in map(Path, NAMES)
        for name in (photo.name, f"{photo.stem}-protected{photo.suffix}", f"{photo.stem}-side-by-side.png")
    )
    assert len(said) == 2
    assert len(pipeline) == 1, "the networks are loaded once"
    for result, picture in shown:
        assert picture is not None
        width, height = Image.open(result.input).size
        assert Image.open(picture).size[0] == 3 * width
        assert Image.open(picture).size[1] > height


def test_the_demo_replaces_what_it_wrote_before(pipeline: list[Any], tmp_path: Path) -> None:
    demo.run_demo(tmp_path, say=str)
    (tmp_path / "astronaut.png").write_bytes(b"spoiled")
    (tmp_path / "mine.txt").write_text("kept")
    demo.run_demo(tmp_path, say=str)
    assert pipeline[1].overwrite
    assert Image.open(tmp_path / "astronaut.png").size == (512, 512)
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_a_failure_has_no_picture(pipeline: list[Any], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(
        "deid.protection.pipeline.protect", lambda *args, **kwargs: a_protection(*args, **kwargs, outcome="failed")
    )
    monkeypatch.chdir(tmp_path)
    assert cli.run(["demo"]) == 4
    assert "side by side" not in capsys.readouterr().out
    assert not (tmp_path / "demo/astronaut-side-by-side.png").exists()


def test_the_summary_says_its_limits_once(pipeline: list[Any], tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["demo"]) == 0
    out, err = capsys.readouterr()
    assert "face 1 (now at rank 3) · round 1, looking at the saved file" in err.splitlines()
    assert out.count("rank 1 → 3 of 1,001, SSIM 0.970") == 2
    assert out.count("is drawn over its whole list") == 1
    assert out.count("-side-by-side.png") == 2


def test_side_by_side_amplifies_around_gray() -> None:
    before = np.full((20, 30, 3), 100, np.uint8)
    after = before.copy()
    after[5, 6], after[7, 8], after[9, 10] = 103, 95, 200
    sheet = np.asarray(demo.side_by_side(before, after))
    panels = sheet[-20:]
    assert (panels[:, :30] == before).all()
    assert (panels[:, 30:60] == after).all()
    assert [tuple(panels[y, 60 + x]) for x, y in [(0, 0), (6, 5), (8, 7), (10, 9)]] == [
        (128, 128, 128), (158, 158, 158), (78, 78, 78), (255, 255, 255)
    ]  # fmt: skip


def test_side_by_side_takes_gray_photos() -> None:
    gray = np.full((20, 30), 100, np.uint8)
    assert demo.side_by_side(gray, gray).mode == "RGB"


def test_missing_samples_say_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install --editable '\.\[demo\]'"):
        demo.write_samples(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "demo").touch()
    with pytest.raises(UsageError, match="cannot write into"):
        demo.write_samples(tmp_path / "demo")


def test_the_demo_for_real(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "deid.commands.main", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("rank 1 → ") >= 2
    for name in map(Path, NAMES):
        original, result = tmp_path / "demo" / name, tmp_path / f"demo/{name.stem}-protected{name.suffix}"
        assert f"saved and verified: demo/{result.name}" in run.stdout
        assert Image.open(result).size == Image.open(original).size
        assert result.read_bytes() != original.read_bytes()
        assert (tmp_path / f"demo/{name.stem}-side-by-side.png").is_file()
