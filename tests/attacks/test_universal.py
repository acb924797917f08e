"""Universal perturbations of a classifier that is linear: the best one is its normal, and fools who is near enough."""

from typing import Any

import pytest
import torch
from attacks.classifiers import Linear, linear
from torch import Tensor

from deid.attacks.universal import Norm, UniversalPerturbation, fit

SHAPE, COUNT, SHARE = (1, 8, 8), 10, 0.8
DISTANCES = torch.linspace(0.01, 0.1, COUNT)
LABELS = torch.zeros(COUNT, dtype=torch.int64)
ORDERS: list[tuple[Norm, float]] = [("l2", 2), ("linf", torch.inf)]


def faces_at(network: Linear, distances: Tensor, order: float) -> Tensor:
    labels = torch.zeros(1, dtype=torch.int64)
    return torch.cat([network.faces_at(float(distance), labels, 1 - labels, order) for distance in distances])


def fitted(network: Linear, faces: Tensor, **settings: Any) -> UniversalPerturbation:
    return fit(network, faces, LABELS, **{"share": SHARE, "seed": 0, **settings})


@pytest.mark.parametrize(("norm", "order"), ORDERS)
def test_it_fools_those_that_its_ball_reaches(norm: Norm, order: float) -> None:
    network = linear(2, SHAPE)
    faces = faces_at(network, DISTANCES, order)
    reached = float(DISTANCES[int(SHARE * COUNT) - 1])
    enough = fitted(network, faces, radius=1.25 * reached, norm=norm)
    assert enough.fooled >= SHARE
    assert float((network(enough.on(faces)).argmax(1) == 1).float().mean()) == pytest.approx(enough.fooled)
    assert float(enough.noise.flatten().norm(p=order)) <= 1.25 * reached + 1e-6
    nobody = fitted(network, faces, radius=0.99 * float(DISTANCES[0]), norm=norm)
    assert nobody.fooled == 0
    assert not nobody.noise.any(), "what fools nobody is left out"


def test_it_carries_over_to_faces_it_has_not_seen() -> None:
    network = linear(2, SHAPE)
    perturbation = fitted(network, faces_at(network, DISTANCES, 2), radius=0.1, norm="l2")
    others = faces_at(network, torch.tensor([0.015, 0.035, 0.055]), 2)
    assert (network(perturbation.on(others)).argmax(1) == 1).tolist() == [True] * 3


@pytest.mark.parametrize("eight_bits", [False, True])
def test_faces_stay_faces(eight_bits: bool) -> None:
    network = linear(2, SHAPE)
    faces = (faces_at(network, DISTANCES, 2) + 0.45).clamp(0, 1)
    perturbation = UniversalPerturbation(0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)), 0.0)
    laid = perturbation.on(faces, eight_bits=eight_bits)
    assert bool(((laid >= 0) & (laid <= 1)).all())
    assert torch.allclose(255 * laid, (255 * laid).round(), atol=1e-3) == eight_bits


def test_in_8_bits_it_fools_what_a_file_holds() -> None:
    network = linear(2, SHAPE)
    faces = faces_at(network, DISTANCES, 2)
    perturbation = fitted(network, faces, radius=0.2, norm="l2", eight_bits=True)
    said = network(perturbation.on(faces, eight_bits=True)).argmax(1)
    assert float((said == 1).float().mean()) == pytest.approx(perturbation.fooled)
    assert perturbation.fooled >= SHARE


def test_a_seed_repeats() -> None:
    network = linear(2, SHAPE)
    faces = faces_at(network, DISTANCES, torch.inf)
    # The ball is too small for all: which faces were seen last tells.
    once, again = (fitted(network, faces, radius=0.05, share=1.0, passes=2, seed=3) for _ in range(2))
    assert torch.equal(once.noise, again.noise)


def test_a_classifier_of_several_networks_is_a_mistake() -> None:
    network = linear(2, SHAPE)
    faces = faces_at(network, DISTANCES[:1], 2)
    with pytest.raises(TypeError, match="one tensor"):
        fit(lambda x, rows: (network(x),), faces, LABELS[:1], radius=0.1)
