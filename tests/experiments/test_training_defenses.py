"""The whole table of trainings, of a small network and made-up photos."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from experiments.made_up import patterned
from torch import nn

from deid.errors import UsageError
from deid.experiments.tables import pieces
from deid.experiments.tables.data import Data
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.networks import FaceClassifier
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Recipe, Trained
from deid.experiments.training import networks as training_defenses_networks
from deid.experiments.training import reproduce as training_defenses
from deid.experiments.training.networks import TRAININGS, Setting, Start
from deid.experiments.training.reproduce import SETTINGS, methods_of, reproduce_training
from deid.recognizers.lightcnn import LightCNN9
from deid.training.distill import Schedule

CLASSES = 6


DATA = Data(patterned(60, 1, CLASSES), patterned(12, 2, CLASSES), tuple("abcdef"))


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 12), nn.ReLU(), nn.Linear(12, CLASSES))


TABLE = Table("tiny", lambda folder: DATA, {"one": Recipe(network, Schedule(40, batch=16))}, ("SSIM", ssim), {})
TINY = Setting(
    TABLE,
    "one",
    epsilon=0.05,
    radius=1.0,
    schedule=Schedule(20, batch=16),
    adversarial=Schedule(10, batch=16),
    found=12,
    count=6,
    pgd_steps=8,
    cw_steps=4,
)


def test_a_table_is_written_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_defenses, "SETTINGS", {"tiny": TINY})
    monkeypatch.setattr(training_defenses_networks, "TEMPERATURE", 5000.0)  # so few steps make no sure network
    table = reproduce_training("tiny", tmp_path, tmp_path / "out")
    out = tmp_path / "out"
    networks = {f"one{name}.safetensors" for name in
                ("", "-fgs", "-pgd", "-retrained", "-prototypes", "-teacher", "-distilled")}  # fmt: skip
    assert {file.name for file in out.iterdir()} == {"training.json", "training.md", "training.svg", *networks}
    assert (out / "training.md").read_text() == table
    document = json.loads((out / "training.json").read_text())
    assert list(document["rows"]) == list(TRAININGS)
    for row in document["rows"].values():
        assert list(row["attacks"]) == ["FGSM", "PGD", "PGD, adaptive", "C&W", "5-A³"]
        for attack in row["attacks"].values():
            assert attack["success"]["value"] + attack["failed"]["value"] == pytest.approx(1)
            assert attack["success"]["n"] == row["n"] <= 6
            assert (attack["l2"] is None) == (attack["success"]["value"] == 0)
        for title in ("PGD", "PGD, adaptive"):
            length = row["attacks"][title]["l2"]
            assert length is None or length <= TINY.radius + 28 / 510
    assert f"| {TRAININGS['pgd'].title} |" in table

    def fails(*arguments: object) -> None:
        raise AssertionError("everything was kept")

    monkeypatch.setattr(pieces, "_measure", fails)
    monkeypatch.setattr(training_defenses_networks, "_find", fails)
    assert reproduce_training("tiny", tmp_path, out) == table


def test_what_the_checks_find_stands_above_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def saturated(start: Start) -> Trained:
        start.undefended.network[-1].weight *= 1e4
        return start.undefended

    monkeypatch.setattr(training_defenses, "SETTINGS", {"tiny": TINY})
    hiding = replace(TRAININGS["distillation"], network=saturated)
    monkeypatch.setattr(training_defenses, "TRAININGS", TRAININGS | {"distillation": hiding})
    table = reproduce_training("tiny", tmp_path, tmp_path / "out", trainings=["undefended", "distillation"])
    warning = "- defensive distillation: vanishing gradients at 100 % of the photos"
    assert 0 < table.index(warning) < table.index("| undefended |")
    lines = [line for line in table.splitlines() if line.startswith(("| undefended", "| defensive"))]
    assert [line.split("|")[-2].strip() for line in lines] == ["nothing found", "vanishing"]


def test_what_there_is_not_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mnist, yale, cifar10"):
        reproduce_training("lfw", tmp_path, tmp_path / "out")
    with pytest.raises(UsageError, match="fgs, pgd"):
        reproduce_training("mnist", tmp_path, tmp_path / "out", trainings=["magic"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_setting_is_of_a_network_that_its_table_has(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.network in setting.table.networks
    assert [method.by_level for method in methods_of(setting).values()] == [False] * 4 + [True]


def test_of_a_face_classifier_the_upper_part_gets_prototypes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classifier = FaceClassifier(LightCNN9(), 5, lower=8).eval()
    faces = torch.rand(1, 1, 128, 128)
    logits = classifier(faces)
    undefended = Trained(classifier.requires_grad_(False), 1.0, "a sha256")
    conforming = Start(TINY, DATA, tmp_path, print, undefended).with_prototypes().eval()
    assert torch.allclose(conforming(faces), logits, atol=1e-5)
    assert isinstance(conforming, FaceClassifier)
    assert not any(weight.requires_grad for weight in conforming.lower.parameters())
    assert all(weight.requires_grad for weight in conforming.upper.parameters())
    assert conforming.upper.prototypes.shape == (5, 256)
