"""The whole study, of a small network and made-up photos."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments.made_up import patterned
from torch import Tensor, nn

from deid.commands import main
from deid.defenses.contract import Classifier
from deid.errors import UsageError
from deid.experiments.rejection import curves as rejection_curves
from deid.experiments.rejection import reproduce as rejection
from deid.experiments.rejection.curves import ADVERSARIES, SYSTEMS, split_test
from deid.experiments.rejection.networks import FourConvolutions, digit_classifier, face_classifier
from deid.experiments.rejection.reproduce import STUDIES, Study, reproduce_rejection
from deid.experiments.tables.data import Data, Photos
from deid.experiments.tables.networks import FaceClassifier
from deid.experiments.tables.training import Recipe
from deid.recognizers.lightcnn import LightCNN9
from deid.training.distill import Schedule

CLASSES = 4
RADII = (0.0, 0.5, 4.0)


def photos(n: int, seed: int) -> Photos:
    return patterned(n, seed, CLASSES, side=8, noise=40)


def network() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, CLASSES)
    )


def classifier(network: nn.Module) -> Classifier:
    assert isinstance(network, nn.Sequential)

    def layers(photos: Tensor) -> tuple[Tensor, ...]:
        first = network[:3](photos)
        return photos.flatten(1), first, network[3:5](first)

    return Classifier(network, layers)


TINY = Study(
    "tiny",
    lambda folder: Data(photos(48, 1), photos(40, 2), tuple("abcd")),
    "small",
    Recipe(network, Schedule(60, batch=16)),
    classifier,
    sample=4,
    found=2,
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RADII", RADII), ("STEPS", 4), ("LEARNED", 20), ("BATCH_PIXELS", 2 * 64)):
        monkeypatch.setattr(rejection_curves, name, value)


def test_the_curves_are_written_and_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    table = reproduce_rejection(TINY, tmp_path, out, sample=2, repeats=2)
    assert {file.name for file in out.iterdir()} == {
        "small.safetensors", "rejection-tiny.json", "rejection-tiny.md", "rejection-tiny.svg",
    }  # fmt: skip
    assert (out / "rejection-tiny.md").read_text() == table
    document = json.loads((out / "rejection-tiny.json").read_text())
    assert list(document["curves"]) == list(ADVERSARIES)
    for systems in document["curves"].values():
        assert list(systems) == list(SYSTEMS)
        for name, points in systems.items():
            assert len(points) == len(RADII)
            assert all(point["accuracy"]["n"] == 4 and len(point["accuracies"]) == 2 for point in points)
            values = [point["accuracy"]["value"] for point in points[1:]]
            assert values == sorted(values, reverse=True), f"{name}: a larger ball never finds less"
    undefended = document["curves"]["clean"]["undefended"]
    assert undefended[0]["accuracy"]["value"] == 1
    assert undefended[-1]["accuracy"]["value"] == 0
    assert not any(point["rejected"]["value"] for point in undefended)
    assert any(point["rejected"]["value"] for point in document["curves"]["clean"]["dnr"])

    def fails(*arguments: object) -> None:
        raise AssertionError("everything was kept")

    monkeypatch.setattr(rejection_curves, "_attacked", fails)
    assert reproduce_rejection(TINY, tmp_path, out, sample=2, repeats=2) == table


@pytest.mark.parametrize(("n", "count", "repeats"), [(40, 4, 3), (40, None, 3), (2000, 200, 3), (41, 1, 1)])
def test_no_photo_is_attacked_twice_or_sets_theta_as_well(n: int, count: int | None, repeats: int) -> None:
    attacked, clean = split_test(photos(n, 0), count, repeats)
    rows = np.concatenate([*attacked, clean])
    assert len(set(rows.tolist())) == len(rows)
    assert len(attacked) == repeats
    assert {len(part) for part in attacked} == {count or (n - min(500, n // 2)) // repeats}
    assert len(clean) >= min(500, n // 2)


def test_more_photos_than_there_are() -> None:
    with pytest.raises(UsageError, match="2 repeats can be of 10 test photos each, not of 11"):
        split_test(photos(40, 0), 11, 2)


@pytest.mark.parametrize("missing", ["matplotlib", "sklearn"])
def test_what_is_missing_is_said(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(UsageError, match=f"needs {missing}: .*pip install"):
        reproduce_rejection(TINY, tmp_path, tmp_path, sample=4)


@pytest.mark.parametrize(
    ("make", "shape", "sizes"),
    [
        (lambda: digit_classifier(FourConvolutions().eval()), (1, 28, 28), [3136, 200, 200]),
        (lambda: face_classifier(FaceClassifier(LightCNN9(), 5, lower=8).eval()), (1, 128, 128), [2048, 2048, 256]),
    ],
)
def test_layers_of_the_networks(make: Callable[[], Classifier], shape: tuple[int, ...], sizes: list[int]) -> None:
    made, x = make(), torch.rand(2, *shape)
    assert [layer.shape for layer in made.layers(x)] == [(2, size) for size in sizes]
    assert made.logits(x).shape[0] == 2
    with pytest.raises(TypeError):
        (digit_classifier if sizes[0] == 3136 else face_classifier)(nn.Identity())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(rejection, "STUDIES", {**STUDIES, "mnist": TINY})
    asked = ["reproduce", "rejection", "mnist", str(tmp_path), "--out", str(tmp_path / "out"), "--repeats", "1"]
    assert main.run([*asked, "--sample", "1"]) == 0
    assert "| DNR, retrained |" in capsys.readouterr().out
    assert main.run([*asked, "--sample", "none"]) == 2
    assert main.run(["reproduce", "rejection", "letters", *asked[3:]]) == 2
    assert "no study called letters: there are mnist, yale" in capsys.readouterr().err
