"""Shared fixtures: real photos that ship inside ordinary packages, and the data folder where there is one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import settings

SHARED = Path(__file__).parents[1].parent / "shared" / "data"

# The same examples in every run, and no test asserts a time: a busy machine is no defect.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# Where tests run side by side each has a core of its own, and so has every command that one starts.
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
else:
    torch.set_num_threads(min(2, torch.get_num_threads()))


# They start first: a worker that came to one of them at last would keep the others waiting.
LONGEST_FILES = ("test_pipeline.py", "test_stranger.py", "test_page_folder.py", "test_demo.py", "test_transfer.py",
                 "test_runs.py", "test_page.py", "test_fallback.py", "test_recognizer.py", "test_decoys.py",
                 "test_photos.py", "test_run.py", "test_upright.py", "test_progress.py")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST_FILES)
    for item in items:
        if item.get_closest_marker("shared_data") and not SHARED.is_dir():
            item.add_marker(pytest.mark.skip(reason="../shared/data is not here"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED.is_dir():
        pytest.skip("../shared/data is not here")
    return SHARED


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """A public-domain photo of Eileen Collins, uint8 (512, 512, 3)."""
    from skimage.data import astronaut

    return np.asarray(astronaut())


@pytest.fixture(scope="session")
def astronaut_landmarks() -> np.ndarray:
    """Where MTCNN finds her eyes, nose and corners of the mouth: (5, 2)."""
    return np.array([[205.01, 101.73], [246.76, 103.71], [224.67, 128.96], [201.72, 139.25], [245.27, 141.86]])


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own state, cache or imported weights."""
    for name in ("STATE", "CACHE", "DATA"):
        monkeypatch.setitem(os.environ, f"XDG_{name}_HOME", str(tmp_path / name.lower()))


@pytest.fixture
def bind() -> Iterator[Callable[[Path, Path], None]]:
    """Mount the first folder as the second, an empty one, too."""
    mounted: list[Path] = []

    def mount(folder: Path, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        command = ["mount", "--bind", str(folder), str(place)]
        if sys.platform != "linux" or shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
            pytest.skip("no bind mounts for this user")
        mounted.append(place)

    yield mount
    for place in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(place)], check=True)
