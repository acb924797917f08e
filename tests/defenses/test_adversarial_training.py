import numpy as np
import pytest
import torch
from attacks.classifiers import drawn_labels, linear
from torch import nn
from torch.nn import functional as F

from deid.attacks.pgd import pgd_l2
from deid.defenses.adversarial_training import FGS, adversarial, found_examples
from deid.defenses.training_loss import plain

RNG = np.random.default_rng(0)


def small(classes: int = 3) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, classes))


PHOTOS = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 0, 1])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.8, 1.0])
def test_the_fgs_objective_is_its_formula(alpha: float) -> None:
    network = small()
    x = PHOTOS.clone().requires_grad_(True)
    # Of a sum over photos and of a mean the signs are the same.
    F.cross_entropy(network(x), LABELS, reduction="sum").backward()
    moved = (PHOTOS + 0.1 * x.grad.sign()).clamp(0, 1)
    formula = alpha * F.cross_entropy(network(PHOTOS), LABELS) + (1 - alpha) * F.cross_entropy(network(moved), LABELS)
    found = FGS(0.1, alpha)(network, PHOTOS, LABELS, RNG)
    assert float(found.detach()) == pytest.approx(float(formula.detach()), rel=1e-5)
    expected = torch.autograd.grad(formula, list(network.parameters()))
    got = torch.autograd.grad(found, list(network.parameters()))
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(got, expected, strict=True))


def test_without_a_radius_it_is_plain_training() -> None:
    network = small()
    losses = [float(loss(network, PHOTOS, LABELS, RNG).detach()) for loss in (FGS(0.0), plain)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_one_step_hurts_a_linear_network_as_much_as_its_weights_say() -> None:
    """Of two classes a step of ε takes ε ‖w‖₁ off the lead, w being the difference of their weights."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).requires_grad_(False)
    photos, labels = torch.full((2, 1, 8, 8), 0.5), torch.tensor([0, 1])
    lead = (network(photos) * torch.tensor([[1.0, -1.0], [-1.0, 1.0]])).sum(1)
    less = 0.05 * (network[1].weight[0] - network[1].weight[1]).abs().sum()
    expected = F.softplus(-(lead - less)).mean()
    network.requires_grad_(True)
    assert float(FGS(0.05, alpha=0)(network, photos, labels, RNG).detach()) == pytest.approx(float(expected), rel=1e-4)


def test_on_a_linear_network_the_adversary_goes_along_the_weights() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).requires_grad_(False)
    photos, labels = torch.full((3, 1, 8, 8), 0.5), torch.tensor([0, 1, 0])
    moved = adversarial(network, photos, labels, 0.3, np.random.default_rng(0)) - photos
    toward_second = network[1].weight[1] - network[1].weight[0]
    worst = 0.3 * toward_second / toward_second.norm() * torch.tensor([1.0, -1.0, 1.0])[:, None]
    assert torch.allclose(moved.flatten(1), worst, atol=0.02)
    assert bool((moved.flatten(1).norm(dim=1) <= 0.3 + 1e-5).all())


@pytest.mark.parametrize("radius", [0.01, 0.5, 20.0])
def test_the_adversary_stays_within_its_radius_and_among_photos(radius: float) -> None:
    moved = adversarial(small().eval(), PHOTOS, LABELS, radius, np.random.default_rng(2))
    assert bool(((moved - PHOTOS).flatten(1).norm(dim=1) <= radius * (1 + 1e-4)).all())
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1


def test_what_is_found_is_mistaken_in_8_bits_and_no_farther_than_the_attack_goes() -> None:
    network, (labels, nearest) = linear(4, (1, 8, 8)), drawn_labels(6, 4)
    near, far = network.faces_at(0.1, labels, nearest, 2), network.faces_at(0.9, labels, nearest, 2)
    photos, labels = torch.cat([near, far]), labels.repeat(2)
    found, true = found_examples(network, photos, labels, pgd_l2(radius=0.3), steps=60, seed=0)
    assert torch.equal(true, labels[:6]), "what is too far is not found"
    assert bool((network(found).argmax(1) != true).all())
    assert torch.allclose(found * 255, (found * 255).round(), atol=1e-4)
    assert bool(((found - near).flatten(1).norm(dim=1) <= 0.3 + 8 / 510).all())
