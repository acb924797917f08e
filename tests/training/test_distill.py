from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.lightcnn import LightCNN9
from deid.training import distill
from deid.training.augment import aligned_view
from deid.training.data import FaceSet, crops_of
from deid.training.students import RECIPES, Recipe, Student
from deid.training.targets import Targets
from deid.training.verification import embeddings_of


def test_the_loss_is_least_where_the_teacher_was(targets: Targets, trained_on: np.ndarray) -> None:
    torch.manual_seed(0)
    student = Student(RECIPES["lightcnn9"], targets.width)
    picked = trained_on[:8]
    goals = targets.goals[picked, 0]
    with torch.no_grad():
        places = student.from_teacher(goals)
        noise = torch.randn(places.shape)
        losses = [
            float(
                distill.distillation_loss(student, places + strength * noise, targets, targets.persons[picked], goals)
            )
            for strength in (0.0, 0.03, 0.1, 0.3)
        ]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1] - 0.3


def test_faces_of_nobody_are_no_ones_photos(targets: Targets) -> None:
    """They have a place, but no person to be nearest to, and two of them are no pair of one person."""
    torch.manual_seed(0)
    student = Student(RECIPES["lightcnn9"], targets.width)
    persons, goals = np.array([0, 1, -1, -1]), F.normalize(torch.randn(4, targets.width))
    places = F.normalize(torch.randn(4, 256))
    with torch.no_grad():
        loss = distill.distillation_loss(student, places, targets, persons, goals)
        goal_places, person_places = (F.normalize(student.from_teacher(x)) for x in (goals, targets.prototypes))
    away = 1 - (places * goal_places).sum(1).mean()
    logits = distill.SHARPNESS * places[:2] @ person_places.T
    nearest = (logits.logsumexp(1) - logits[[0, 1], [0, 1]]).mean()
    pairs = (places @ places.T - goals @ goals.T)[~torch.eye(4, dtype=torch.bool)].square().mean()
    assert float(loss) == pytest.approx(float(away + 0.5 * nearest + 4 * pairs), rel=1e-5)


class TinyNetwork(nn.Module):
    """As much of a network as training needs: hidden convolutions for Muon, other weights, batch normalization."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Linear(4 * 8 * 8, 16)

    def feature_map(self, faces: Tensor) -> Tensor:
        return self.second(self.norm(self.first(F.avg_pool2d(faces, 16))).relu())

    def forward(self, faces: Tensor) -> Tensor:
        return self.last(self.feature_map(faces).flatten(1))


TINY = Recipe(
    architecture="tiny",
    template=LIGHTCNN_TEMPLATE,
    width=16,
    feature_side=8,
    build=TinyNetwork,
    feature_map=lambda network, faces: network.feature_map(faces),
    embedding=lambda network, features: network.last(features.flatten(1)),
    finish=lambda network: None,
    resume=lambda network, faces: None,
    shift=lambda network, by: network.last.bias.add_(by),
    input="",
    teacher="dlib-resnet",
)


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    faces: FaceSet, targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "SAVE_EVERY", 2)
    schedule = distill.Schedule(steps=4, batch=4)
    lines: list[str] = []
    whole, figures = distill.train(TINY, faces, schedule, targets, tmp_path / "whole", log=lines.append)

    class StopError(Exception):
        pass

    def stop_at_two(line: str) -> None:
        if line.startswith("step 2"):
            raise StopError

    with pytest.raises(StopError):
        distill.train(TINY, faces, schedule, targets, tmp_path / "parts", log=stop_at_two)
    parts, _ = distill.train(TINY, faces, schedule, targets, tmp_path / "parts", log=lines.append)
    assert "resumed at step 2 of 4" in lines
    for key, value in whole.state_dict().items():
        assert torch.allclose(value, parts.state_dict()[key], atol=1e-4), key
    assert figures.genuine_pairs == 2


def test_a_training_of_no_step_leaves_a_published_network_where_it_was_but_for_the_mean(
    faces: FaceSet, targets: Targets, trained_on: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "NORMALIZATION_FACES", 5)
    recipe, start = RECIPES["lightcnn9"], load_recognizer("lightcnn9").network
    before = embeddings_of(start, faces, np.arange(24), recipe.template)
    same, _ = distill.train(recipe, faces, distill.going_on(0), targets, tmp_path / "state", start=start)
    after = embeddings_of(same, faces, np.arange(24), recipe.template)
    moved = after - before
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-3 * float(before.abs().max()))
    mean = after[trained_on].mean(0)
    spread = (after[trained_on] - mean).square().sum(1).mean().sqrt()
    assert float(mean.norm() / spread) == pytest.approx(distill.OFFSET, abs=1e-3)
    assert same.state_dict().keys() == LightCNN9().state_dict().keys()


def test_a_training_that_goes_on_ends_halfway_and_leaves_the_first_layer_alone(
    faces: FaceSet, targets: Targets, trained_on: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "NORMALIZATION_FACES", 5)
    recipe, start = RECIPES["lightcnn9"], load_recognizer("lightcnn9").network
    before = {key: value.clone() for key, value in start.state_dict().items()}
    schedule = replace(distill.going_on(1), batch=6)
    went_on, _ = distill.train(recipe, faces, schedule, targets, tmp_path / "state", start=start)
    state = torch.load(tmp_path / "state", weights_only=True)
    student = Student(recipe, targets.width)
    student.load_state_dict(state["student"])
    plain = aligned_view(*crops_of(faces, trained_on[::4]), recipe.template)
    for norm in (module for module in student.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0
    student.recognizer.train()(plain)
    recipe.finish(student.recognizer.eval())
    trained = student.recognizer.state_dict()
    for key, value in went_on.state_dict().items():
        halfway = (trained[key] + before[key]) / 2
        if key == "fc1.filter.bias":  # where the mean is set, in both halves alike
            first, second = (value - halfway).chunk(2)
            assert torch.allclose(first, second, rtol=1e-4, atol=1e-5)
            continue
        assert torch.allclose(value, halfway, rtol=1e-4, atol=1e-5), key
    assert not torch.allclose(trained["fc1.filter.weight"], before["fc1.filter.weight"], rtol=1e-3)
    # All layers learn but the first: as many moments as an untrained network has weights, less its weight and bias.
    untrained = distill.optimizers_for(Student(recipe, targets.width), schedule)
    muon, adamw = (len(optimizer.param_groups[0]["params"]) for optimizer in untrained)
    assert [len(optimizer["state"]) for optimizer in state["optimizers"]] == [muon, adamw - 2] == [8, adamw - 2]
