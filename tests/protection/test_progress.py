"""Watching an attack changes nothing about it; a watcher ends it within a step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.errors import Cancelled
from deid.protection.pipeline import process_photo
from deid.protection.progress import Progress, Step
from deid.protection.protector import Protector, load_protector
from deid.types import Options


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(Options(profile="paper"))


@pytest.fixture(scope="module")
def stranger() -> Protector:
    return load_protector(Options())


@pytest.fixture
def two_faces(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "two.png"
    face = astronaut[:200, 130:330]
    Image.fromarray(np.concatenate([face, face[:, ::-1]], axis=1)).save(path)
    return path


def test_a_watched_run_is_the_same_run(two_faces: Path, protector: Protector) -> None:
    steps: list[Step] = []
    plain = process_photo(two_faces, two_faces, protector, lambda faces: [2, 3])
    seen = process_photo(two_faces, two_faces, protector, lambda faces: [2, 3], watcher=steps.append)
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


class StopAt:
    """A watcher that ends the run at a step; how many it was told of."""

    def __init__(self, evaluations: int) -> None:
        self.evaluations = evaluations
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        self.steps.append(step)
        if step.evaluations == self.evaluations:
            raise Cancelled


@pytest.mark.parametrize("profile", ["paper", "stranger"])
def test_a_run_ends_at_the_very_step_at_which_its_watcher_says_so(
    two_faces: Path, protector: Protector, stranger: Protector, profile: str
) -> None:
    stop = StopAt(3)
    with pytest.raises(Cancelled):
        process_photo(
            two_faces,
            two_faces,
            {"paper": protector, "stranger": stranger}[profile],
            lambda faces: [2, 4],
            watcher=stop,
        )
    assert [step.evaluations for step in stop.steps] == [1, 2, 3]


def test_the_next_photo_is_counted_anew(two_faces: Path, protector: Protector) -> None:
    for _ in range(2):
        stop = StopAt(2)
        with pytest.raises(Cancelled):
            process_photo(two_faces, two_faces, protector, lambda faces: [2, 4], watcher=stop)
        assert [step.evaluations for step in stop.steps] == [1, 2]


def test_ranks_stay_until_something_else_is_known() -> None:
    steps: list[Step] = []
    progress = Progress(2, steps.append)
    progress.begin_round()
    progress.stepped([0, 1], {})
    progress.looked({0: 1, 1: 7})
    progress.begin_round()
    progress.stepped([0], {})
    progress.stepped([0], {0: 4})
    assert steps == [
        Step(1, 1, (None, None), (0, 1)),
        Step(1, 1, (1, 7), ()),
        Step(2, 2, (1, 7), (0,)),
        Step(2, 3, (4, 7), (0,)),
    ]
    assert [step.settled for step in steps] == [0, 1, 1, 1]


def test_the_pace_tells_the_steps_of_a_round_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("deid.protection.progress.time.monotonic", lambda: now[0])
    steps: list[Step] = []
    progress = Progress(20, steps.append)
    progress.begin_round(8)
    for batch in range(2):
        progress.begin_batch(4 * batch)
        for _ in range((2, 4)[batch]):  # the first ends early
            progress.stepped([0], {})
            now[0] += 3
    progress.looked({})
    assert [step.pace and (step.pace.step, step.pace.steps, step.pace.left) for step in steps] == [
        (1, 8, None), (2, 8, 21), (5, 8, 12), (6, 8, 9), (7, 8, 6), (8, 8, 3), None,
    ]  # fmt: skip


def test_steps_name_the_faces_by_their_numbers_in_the_photo(two_faces: Path, protector: Protector) -> None:
    stop = StopAt(2)
    second = replace(protector, options=replace(protector.options, faces="2"))
    with pytest.raises(Cancelled):
        process_photo(two_faces, two_faces, second, lambda faces: [2], watcher=stop)
    assert {step.numbers for step in stop.steps} == {(2,)}
    assert [step.pace.step for step in stop.steps if step.pace] == [1, 2]
