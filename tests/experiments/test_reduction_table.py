"""The table of dimensionality reduction: a whole one of made-up photos, its examples and shares by hand."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from experiments.made_up import patterned
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from deid.commands.main import app
from deid.defenses import autoencoder
from deid.defenses import reduction as defense
from deid.defenses.contract import Defended
from deid.errors import UsageError
from deid.experiments.reduction import examples as reduction_examples
from deid.experiments.reduction import reproduce as reduction
from deid.experiments.reduction import summary as reduction_summary
from deid.experiments.reduction.examples import Examples, Subject, least_examples, moved
from deid.experiments.reduction.reproduce import reproduce_reduction
from deid.experiments.tables.data import Data, Photos
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.layers import classifier_of
from deid.experiments.tables.networks import FaceClassifier, lenet5, mobilenet_v2
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Recipe
from deid.recognizers.lightcnn import LightCNN9
from deid.training.distill import Schedule

CLASSES, SIDE = 3, 12


def photos_of_classes(n: int, seed: int) -> Photos:
    return patterned(n, seed, CLASSES, side=SIDE, noise=20)


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 8), nn.ReLU(), nn.Linear(8, CLASSES))


def read(folder: Path) -> Data:
    return Data(photos_of_classes(60, 1), photos_of_classes(18, 2), tuple("abc"))


TABLE = Table("tiny", read, {"one": Recipe(network, Schedule(100, batch=16))}, ("SSIM", ssim), {})


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "PHOTO_STEPS", 60)
    monkeypatch.setattr(autoencoder, "FEATURE_STEPS", 150)
    monkeypatch.setattr(defense, "HEAD_STEPS", 100)
    monkeypatch.setattr(reduction, "RETRAINING", Schedule(10, batch=16))
    monkeypatch.setitem(reduction.TABLES, "tiny", TABLE)  # type: ignore[arg-type]


@pytest.mark.usefixtures("short")
def test_the_command_writes_a_table_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    command = ["reproduce", "reduction", "tiny", str(tmp_path), "--out", str(out), "--sample", "6"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert {file.name for file in out.iterdir()} == {
        "reduction-tiny.json", "reduction-tiny.md", "reduction-tiny.svg", "one.safetensors",
        "one-retrained.safetensors",
    }  # fmt: skip
    document = json.loads((out / "reduction-tiny.json").read_text())
    assert list(document["defenses"]) == ["initial", "middle", "encoder", "adversarial training"]
    assert [row["study"] for row in document["defenses"].values()] == [70.5, 60.4, 64.3, 92.0]
    assert document["photos"] == 6
    assert {known["found"]["value"] for known in document["known"].values()} == {1}
    for row in document["defenses"].values():
        assert set(row["stopped"]) == {"FGSM", "BIM", "PGD", "all"}
        # What stops being adversarial is answered otherwise than by the undefended network.
        assert row["flagged"]["all"]["value"] >= row["stopped"]["all"]["value"]
        assert row["noise"]["more"]["n"] + row["noise"]["none_found"] == row["noise"]["recognized"]
    table = (out / "reduction-tiny.md").read_text()
    assert "| middle |" in table
    assert "| 60.4 |" in table

    def fails(*arguments: object, **named: object) -> None:
        raise AssertionError("everything was kept")

    monkeypatch.setattr(reduction, "_fitted", fails)
    monkeypatch.setattr(reduction_examples, "_moved", fails)
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (out / "reduction-tiny.md").read_text() == table


def test_what_there_is_not_is_said(tmp_path: Path) -> None:
    command = ["reproduce", "reduction", "breasts", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, UsageError)
    assert "yale, cifar10" in str(result.exception)
    reversed_labels = dataclasses.replace(TABLE, read=lambda folder: wrong(read(folder)))
    with pytest.raises(UsageError, match="recognizes none"):
        reproduce_reduction(reversed_labels, tmp_path, tmp_path / "none", count=3)


def wrong(data: Data) -> Data:
    """Test photos with the next one's class."""
    return Data(data.train, Photos(data.test.pixels, (data.test.labels + 1) % CLASSES), data.classes)


def light_or_dark(photos: Tensor) -> Tensor:
    """Two classes; the border is a mean of ½."""
    mean = photos.mean((1, 2, 3))
    return F.pad(torch.stack([0.5 - mean, mean - 0.5], 1), (0, 1), value=-torch.inf)


@pytest.mark.parametrize("attack", ["FGSM", "BIM", "PGD"])
def test_an_example_is_at_the_least_epsilon_that_fools_at_8_bits(attack: str) -> None:
    """Gray g (of 255) is at least 127.5 − g levels from the border; all pixels move alike along the gradient."""
    grays = np.array([127, 125, 120, 90])
    photos = Photos(np.tile(grays[:, None, None, None], (1, 1, 4, 4)).astype(np.uint8), np.zeros(4, np.int64))
    examples = least_examples(Subject("light or dark", lambda: Defended(light_or_dark)), photos, attack)
    levels = 255 * examples.epsilons
    if attack == "PGD":  # from a random start: not every pixel is at the end of its range
        assert bool((levels >= [1, 3, 8, 48]).all())
        assert bool((levels <= [2, 4, 12, 48]).all())
    else:
        assert levels.round().tolist() == [1, 3, 8, 48]
    assert bool((examples.photos.as_tensor().mean((1, 2, 3)) > 0.5).all())


def test_where_no_example_is_found_the_photo_stays_as_it_is() -> None:
    def one_answer(photos: Tensor) -> Tensor:
        return torch.tensor([1.0, 0.0, -torch.inf]) + 0 * photos.mean((1, 2, 3))[:, None]

    photos = Photos(np.full((2, 1, 4, 4), 9, np.uint8), np.zeros(2, np.int64))
    examples = least_examples(Subject("stubborn", lambda: Defended(one_answer)), photos, "FGSM")
    assert np.isnan(examples.epsilons).all()
    assert np.array_equal(examples.photos.pixels, photos.pixels)
    assert not examples.found.any()


def test_photos_to_train_on_are_moved_by_no_more_than_their_epsilon() -> None:
    photos = Photos(np.full((12, 1, 4, 4), 100, np.uint8), np.zeros(12, np.int64))
    changed = moved(Subject("moved", lambda: Defended(light_or_dark)), photos, steps=5)
    levels = np.abs(changed.pixels.astype(int) - 100).max((1, 2, 3))
    assert levels.tolist() == [1, 2, 3, 4, 6, 8] * 2
    assert (changed.pixels.mean((1, 2, 3)) > 100).all(), "toward the other class"


def test_noise_is_compared_where_both_networks_recognize_and_both_have_an_example() -> None:
    clean = np.full((4, 1, 16, 16), 100, np.uint8)
    epsilons = np.array([1, 1, np.nan, 1])
    known = Examples(Photos(clean + np.uint8(1), np.zeros(4, int)), epsilons)
    new = Examples(Photos(clean + np.uint8(3), np.zeros(4, int)), np.array([1, 1, 1, np.nan]))
    noise = reduction_summary._noise(Photos(clean, np.zeros(4, int)), np.array([True, False, True, True]), known, new)
    assert (noise["recognized"], noise["none_found"], noise["more"]["n"], noise["more"]["value"]) == (3, 1, 1, 1)
    assert noise["ratio"]["value"] == pytest.approx(3, rel=1e-3)
    assert noise["l2_known"]["value"] == pytest.approx(16 / 255, rel=1e-3)
    assert noise["ratio"]["low"] is None, "one photo bounds nothing"
    assert noise["ssim_known"]["value"] > noise["ssim_new"]["value"]


def test_of_all_attacks_together_nothing_is_surer_than_of_one() -> None:
    hits = {"FGSM": np.array([True, True]), "BIM": np.array([False, True]), "PGD": np.array([False, False])}
    shares = reduction_summary._shares(hits)
    assert (shares["all"]["value"], shares["all"]["n"]) == (0.5, 2)
    assert shares["all"]["low"] == shares["BIM"]["low"]
    assert reduction_summary._shares({}) == {}
    assert not math.isnan(shares["FGSM"]["value"])


@pytest.mark.parametrize(("build", "shape"), [
    (lenet5, (1, 28, 28)),
    (mobilenet_v2, (3, 32, 32)),
    (lambda: FaceClassifier(LightCNN9(), 5, lower=8), (1, 128, 128)),
])  # fmt: skip
def test_a_network_s_logits_are_its_last_layer_of_its_features(build: object, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    made = build().eval().requires_grad_(False)  # type: ignore[operator]
    last = (made.upper if isinstance(made, FaceClassifier) else made)[-1]
    classifier, photos = classifier_of(made), torch.rand(2, *shape)
    assert torch.allclose(last(classifier.layers(photos)[-1]), classifier.logits(photos), atol=1e-4)
    assert torch.allclose(classifier.logits(photos), made(photos), atol=1e-4)


def test_only_a_last_linear_layer_can_be_taken_off() -> None:
    with pytest.raises(TypeError, match="linear"):
        classifier_of(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
