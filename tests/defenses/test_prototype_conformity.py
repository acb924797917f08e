import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from deid.defenses.prototype_conformity import Conforming, PrototypeConformity, conformity

RNG = np.random.default_rng(0)
SQUARE = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 0.0]])  # sides 5, 5 and 6


def test_four_points_by_hand() -> None:
    """The corners of a triangle with sides 5, 5 and 6, and the middle of the longest one."""
    features = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 0.0], [3.0, 0.0]])
    labels = torch.tensor([0, 1, 0, 1])
    by_hand = [
        0 - ((5 + 6) + (5 + 6)) / 2,  # at its own prototype
        0 - ((5 + 5) + (5 + 5)) / 2,
        6 - ((5 + 0) + (5 + 6)) / 2,  # at another's
        4 - ((3 + 3) + (5 + 5)) / 2,  # 4 from its own, 3 from both others
    ]
    assert float(conformity(features, labels, SQUARE)) == pytest.approx(sum(by_hand) / 4)
    for at in range(4):
        alone = conformity(features[at : at + 1], labels[at : at + 1], SQUARE)
        assert float(alone) == pytest.approx(by_hand[at])


def test_features_are_pulled_to_their_own_and_pushed_from_others() -> None:
    features = torch.tensor([[1.0, 1.0]], requires_grad=True)
    (gradient,) = torch.autograd.grad(conformity(features, torch.tensor([0]), SQUARE), features)
    own, *others = SQUARE - features.detach()
    assert float((-gradient[0] * own).sum()) > 0
    assert all(float((-gradient[0] * other).sum()) < 0 for other in others)


def test_prototypes_are_trained_along_also_where_features_lie_on_them() -> None:
    prototypes = SQUARE.clone().requires_grad_(True)
    features = SQUARE.clone().requires_grad_(True)
    gradients = torch.autograd.grad(conformity(features, torch.arange(3), prototypes), [features, prototypes])
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert bool((gradients[1] != 0).any(1).all())


def test_the_objective_is_cross_entropy_and_a_share_of_it() -> None:
    body, head = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), nn.ReLU()), nn.Linear(5, 3)
    network = Conforming(body, head)
    photos, labels = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 2, 0])
    features = body(photos)
    assert torch.equal(network(photos), head(features))
    assert network.prototypes.shape == (3, 5)
    expected = F.cross_entropy(head(features), labels) + 0.3 * conformity(features, labels, network.prototypes)
    assert float(PrototypeConformity(0.3)(network, photos, labels, RNG).detach()) == pytest.approx(
        float(expected.detach()), rel=1e-5
    )
    with pytest.raises(TypeError, match="prototypes"):
        PrototypeConformity(0.3)(nn.Sequential(body, head), photos, labels, RNG)
