"""Watching an attack changes nothing about it; a watcher can end it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.errors import Cancelled
from deid.protection.pipeline import process_photo
from deid.protection.progress import Step, watched
from deid.protection.protector import Protector
from deid.types import Options


@pytest.fixture(scope="module")
def protector() -> Protector:
    return Protector(Options(profile="paper"))


@pytest.fixture
def two_faces(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "two.png"
    face = astronaut[:200, 130:330]
    Image.fromarray(np.concatenate([face, face[:, ::-1]], axis=1)).save(path)
    return path


def test_a_watched_run_is_the_same_run(two_faces: Path, protector: Protector) -> None:
    steps: list[Step] = []
    plain = process_photo(two_faces, two_faces, protector, lambda faces: [2, 4])
    seen = process_photo(two_faces, two_faces, watched(protector, steps.append), lambda faces: [2, 4])
    assert seen.data == plain.data
    assert steps[0] == Step(1, 1, (1, 1), working=(0, 1))
    assert steps[-1].ranks == tuple(face.rank_after for face in plain.result.faces)
    assert steps[-1].evaluations >= max(face.gradient_evaluations for face in plain.result.faces)
    assert steps[-1].settled == 2
    assert steps[-1].working == ()
    # A face that is done waits for the other one.
    assert {step.working for step in steps if step.round == 1} >= {(0, 1), ()}
    assert any(len(step.working) == step.settled == 1 for step in steps)
    assert [step.round for step in steps] == sorted(step.round for step in steps)


def test_the_next_photo_is_counted_anew(two_faces: Path, protector: Protector) -> None:
    steps: list[Step] = []

    def stop_at_third(step: Step) -> None:
        steps.append(step)
        if step.evaluations == 3:
            raise Cancelled

    listening = watched(protector, stop_at_third)
    for _ in range(2):
        with pytest.raises(Cancelled):
            process_photo(two_faces, two_faces, listening, lambda faces: [2, 4])
    assert [step.evaluations for step in steps] == [1, 2, 3, 1, 2, 3]
