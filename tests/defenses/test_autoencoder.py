"""Autoencoders: what of a known subspace comes back, what outside it does not."""

import pytest
import torch
from torch import Tensor

from deid.defenses import autoencoder
from deid.defenses.autoencoder import feature_autoencoder, minimize, photo_autoencoder


def in_subspace(n: int, dimensions: int, size: int, seed: int) -> Tensor:
    """(n, size), evenly in a cube of a fixed subspace that does not contain 0."""
    basis = torch.linalg.qr(torch.randn(size, dimensions, generator=torch.Generator().manual_seed(0)))[0]
    places = 2 * torch.rand(n, dimensions, generator=torch.Generator().manual_seed(seed)) - 1
    return 5 + places @ basis.T


def test_features_of_a_low_dimensional_subspace_come_back_and_what_leaves_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(autoencoder, "FEATURE_STEPS", 400)
    learned, others = in_subspace(400, 2, 32, 1), in_subspace(100, 2, 32, 2)
    reproduce = feature_autoencoder(learned, seed=0)
    assert reproduce.encoder(learned).shape == (400, 4)
    variance = float((others - others.mean(0)).square().mean())
    assert float((reproduce(others) - others).square().mean()) < 0.01 * variance
    # A step of length 0.5 in any direction of all 32: of it, what lies in the subspace may stay.
    noise = torch.randn(100, 32, generator=torch.Generator().manual_seed(3))
    noise = 0.5 * noise / noise.norm(dim=1, keepdim=True)
    left = (reproduce(others + noise) - others).norm(dim=1)
    assert float(left.mean()) < 0.25


def test_photos_of_a_few_patterns_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "PHOTO_STEPS", 300)
    ramp = torch.linspace(0, 1, 16)
    patterns = torch.stack([ramp.expand(16, 16), ramp[:, None].expand(16, 16)])
    shares = torch.rand(60, 2, generator=torch.Generator().manual_seed(0))
    photos = (torch.einsum("np,phw->nhw", shares, patterns) / 2)[:, None]
    learned, others = photos[:40], photos[40:]
    reproduce = photo_autoencoder(learned, seed=0)
    assert reproduce.encoder(others).numel() == others.numel() // 4, "a quarter of the numbers"
    assert float((reproduce(others) - others).square().mean()) < 0.02 * float(others.var())


def test_training_is_repeatable_and_leaves_the_caller_s_generator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "PHOTO_STEPS", 3)
    monkeypatch.setattr(autoencoder, "FEATURE_STEPS", 3)
    photos = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for make, data in ((photo_autoencoder, photos), (feature_autoencoder, photos.flatten(1))):
        first, again, other = (make(data, seed=seed)(data) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
    assert torch.equal(torch.rand(1), expected)


def test_the_least_of_a_parabola_is_found() -> None:
    place = torch.nn.Parameter(torch.zeros(3))
    items = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    minimize(lambda rows: (place - items[rows]).square().sum(1).mean(), [place], 2, 400, 2, 0.1, seed=0)
    assert torch.allclose(place, torch.full((3,), 2.0), atol=0.2)
