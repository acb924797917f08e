import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from deid.experiments import kept

installed = kept.version


@dataclass(frozen=True)
class Line:
    value: int


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the program's code that a test may change."""
    copy = tmp_path / "deid"
    shutil.copytree(kept.PACKAGE, copy, ignore=lambda folder, names: [
        name for name in names if not (Path(folder, name).is_dir() or name.endswith(".py"))
    ])  # fmt: skip
    (copy / "app").mkdir(exist_ok=True)  # lies there where the program is installed
    monkeypatch.setattr(kept, "PACKAGE", copy)
    return copy


@pytest.mark.parametrize("module", [
    "anonymity/conditions.py", "attacks/k_a3.py", "faces/detect.py", "images/handlings.py", "losses/cw_ssim.py",
    "protection/rounds.py", "recognizers/lightcnn.py", "training/data.py", "types.py", "experiments/kept.py",
    "experiments/transfer.py", "experiments/transfer_photo.py", "a_new_room/a_new_module.py",
])  # fmt: skip
def test_a_changed_module_that_decides_figures_keeps_nothing(package: Path, module: str) -> None:
    before = kept._file("transfer", ["paper"], "jsonl")
    touch(package / module)
    assert kept._file("transfer", ["paper"], "jsonl") != before


@pytest.mark.parametrize("module", [
    "commands/output.py", "audit/counts.py", "audit/report/folder.py", "batch/journal.py", "storage/atomic.py",
    "app/pages.py", "experiments/photos.py", "experiments/transfer_table.py",
])  # fmt: skip
def test_a_changed_module_elsewhere_keeps_what_was_measured(package: Path, module: str) -> None:
    before = kept._file("transfer", ["paper"], "jsonl")
    touch(package / module)
    assert kept._file("transfer", ["paper"], "jsonl") == before


def touch(module: Path) -> None:
    module.parent.mkdir(exist_ok=True)
    with module.open("a") as file:
        file.write("# changed\n")


def test_other_weights_and_another_library_keep_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept._file("photos", [], "jsonl")
    (tmp_path / "manifest.toml").write_text("[recognizers]\n")
    with monkeypatch.context() as patch:
        patch.setattr(kept, "shipped_folder", lambda: tmp_path)
        assert kept._file("photos", [], "jsonl") != before
    for library in ("torch", "numpy", "pillow", "opencv-python-headless", "facenet-pytorch"):
        with monkeypatch.context() as patch:
            patch.setattr(kept, "version", lambda name, other=library: "0" if name == other else installed(name))
            assert kept._file("photos", [], "jsonl") != before, library
    assert kept._file("photos", [], "jsonl") == before


def test_lines_are_measured_once_and_those_without_a_face_are_left_out() -> None:
    measured: list[int] = []

    def measure(value: int) -> Line | None:
        measured.append(value)
        return Line(value) if value else None

    notes: list[str] = []
    for _ in range(2):
        items = [(f"photo {value}", lambda value=value: measure(value)) for value in (1, 0, 2)]
        assert list(kept.kept_lines("photos", ["paper"], items, Line, notes.append)) == [Line(1), Line(2)]
    assert measured == [1, 0, 2, 0]
    assert set(notes) == {"photo 0: no face found, left out"}


def test_arrays_are_made_once() -> None:
    made = [kept.kept_arrays("photos", [], lambda at=at: {"row": np.full(2, at)})["row"] for at in range(2)]
    assert [row.tolist() for row in made] == [[0, 0], [0, 0]]


def test_arrays_come_back_whatever_their_strides() -> None:
    made = {"turned": np.arange(6).reshape(2, 3).T, "one": np.array(1.5)}
    for _ in range(2):
        back = kept.kept_arrays("photos", ["strides"], lambda: made)
        assert all(
            np.array_equal(back[name], array) and back[name].shape == array.shape for name, array in made.items()
        )
