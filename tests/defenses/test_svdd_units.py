"""Units where the truth is known: spheres, balls, and the kernel by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.defenses.svdd_units import Units, learned_units, squared_distances
from deid.errors import UsageError


def directions(n: int, dimensions: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed)))


def units_with(classes: int = 2, vectors: int = 3, dimensions: int = 4) -> Units:
    generator = torch.Generator().manual_seed(0)
    return Units(
        torch.randn(vectors, dimensions, generator=generator).double(),
        torch.rand(classes, vectors, generator=generator).double(),
        torch.tensor([0.5, 2.0, 1.5])[:classes].double(),
        torch.tensor(1.3).double(),
    )


def test_distances_are_the_papers_by_hand() -> None:
    """One vector, σ = 1: k(x, o) = e^(−2) at a distance of 2."""
    units = Units(torch.zeros(1, 2), torch.tensor([[0.5]]), torch.tensor([2.0]), torch.tensor(1.0))
    found = squared_distances(units, torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
    assert found[:, 0].tolist() == pytest.approx([(1 - math.exp(-2) + 0.25) / 4, 0.25 / 4])


def test_distances_are_those_of_the_kernels_space() -> None:
    """Against the kernel's matrix of all points at once, whose differences are distances by definition."""
    units, x = units_with(), directions(5, 4, seed=1).double()
    points = torch.cat([x, units.vectors])
    kernel = (-torch.cdist(points, points).square() / (2 * units.width.square())).exp()
    for label, coefficients in enumerate(units.coefficients):
        for row in range(len(x)):
            difference = torch.cat([torch.eye(len(x)).double()[row], -coefficients])
            expected = difference @ kernel @ difference / units.radii[label].square()
            assert float(squared_distances(units, x)[row, label]) == pytest.approx(float(expected))


@pytest.mark.parametrize("shape", [(5, 3), (4,), (2, 2, 4)])
def test_other_features_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="of 4 features"):
        squared_distances(units_with(), torch.zeros(shape))


def test_distances_have_the_gradients_they_say() -> None:
    x = directions(3, 4, seed=2).double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda features: squared_distances(units_with(), features), (x,))


def test_a_known_sphere_is_found() -> None:
    """Class 0 lies on a sphere, class 1 on one around it, larger by a fifth: the boundary runs between them in every
    direction, and its center is the known one within a tenth of the radius.
    """
    center, radius = torch.tensor([3.0, -2.0, 1.0]), 2.0
    features = torch.cat([
        center + radius * directions(200, 3, seed=0),
        center + 1.2 * radius * directions(200, 3, seed=1),
    ])  # fmt: skip
    units = learned_units(features, torch.arange(2).repeat_interleave(200), seed=0)
    ways = directions(25, 3, seed=2)
    ways = torch.cat([ways, -ways])
    reaches = torch.linspace(0.5, 2, 151)
    inside = torch.stack([squared_distances(units, center + reach * radius * ways)[:, 0] < 1 for reach in reaches])
    boundary = reaches[inside.cumprod(0).sum(0)]
    assert bool(((boundary > 0.97) & (boundary < 1.23)).all())
    # A ball off by d reaches farther by d · w along the way w: over all ways, the mean of (d · w) w is d / 3.
    offset = 3 * (boundary[:, None] * ways).mean(0)
    assert float(offset.norm()) < 0.1


def test_what_is_taught_is_kept_in_and_others_out() -> None:
    centers = 4 * torch.eye(3, 6)
    labels = torch.arange(3).repeat_interleave(60)
    features = centers[labels] + 0.3 * directions(180, 6, seed=0)
    distances = squared_distances(learned_units(features, labels, seed=0), features)
    own = F.one_hot(labels).bool()
    assert float((distances[own] <= 1.01).float().mean()) == 1
    assert float((distances[~own] >= 1).float().mean()) == 1


def test_the_same_seed_learns_the_same_and_the_scale_of_features_does_not_matter() -> None:
    features, labels = directions(40, 3, seed=0), torch.arange(2).repeat(20)
    one, again, scaled = (learned_units(scale * features, labels, seed=1) for scale in (1, 1, 64))
    assert torch.equal(one.vectors, again.vectors)
    assert torch.allclose(squared_distances(one, features), squared_distances(scaled, 64 * features), atol=1e-3)
