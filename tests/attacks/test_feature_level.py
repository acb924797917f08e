"""The feature-level attack against closed-form truth: with linear networks every step is known."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from deid.attacks.feature_level import feature_level, likeness
from deid.losses.local_contrast import visible_limit

GRAY = torch.full((2, 1, 16, 16), 0.5)


def attack(likenesses: Callable[[Tensor], Sequence[Tensor]], faces: Tensor, **settings: Any) -> Tensor:
    """likenesses: faces → how alike each network finds them."""
    labels = torch.zeros(len(faces), dtype=torch.int64)
    made = feature_level(stride=settings.pop("stride"), chroma=settings.pop("chroma", 1.0))
    attacked = made(lambda x, rows: tuple(likenesses(x)), faces, labels, objective=likeness, criterion=None, **settings)
    return attacked.faces


def unit(seed: int) -> Tensor:
    direction = torch.randn((1, 1, 16, 16), generator=torch.Generator().manual_seed(seed))
    return direction / direction.square().mean().sqrt()


def test_steps_follow_the_value_of_the_gradient() -> None:
    w = unit(0)
    attacked = attack(lambda x: [(x * w).sum((1, 2, 3))], GRAY, steps=3, stride=0.01, chroma=1.0, limit=None)
    assert torch.allclose(attacked, (GRAY - 0.03 * w).clamp(0, 1), atol=1e-6)


def test_each_network_weighs_the_same_whatever_its_scale() -> None:
    a, b = unit(0), unit(1)
    both = a + b
    attacked = attack(
        lambda x: [(x * a).sum((1, 2, 3)), 1000 * (x * b).sum((1, 2, 3))],
        GRAY, steps=1, stride=0.01, chroma=1.0, limit=None,
    )  # fmt: skip
    assert torch.allclose(attacked, GRAY - 0.01 * both / both.square().mean().sqrt(), atol=1e-6)


@pytest.mark.parametrize("chroma", [0.0, 0.5, 1.0])
def test_color_is_followed_as_far_as_asked(chroma: float) -> None:
    gray, color = unit(0), torch.cat([unit(1), -unit(1), torch.zeros_like(unit(1))], 1)
    faces = torch.full((1, 3, 16, 16), 0.5)
    attacked = attack(
        lambda x: [(x * (gray + color)).sum((1, 2, 3))],
        faces, steps=1, stride=0.01, chroma=chroma, limit=None,
    )  # fmt: skip
    wanted = gray + chroma * color
    assert torch.allclose(attacked, faces - 0.01 * wanted / wanted.square().mean().sqrt(), atol=1e-6)


def test_faces_do_not_share_a_step() -> None:
    a, b = unit(0), unit(1)
    w = torch.cat([a, 50 * b])
    attacked = attack(lambda x: [(x * w).sum((1, 2, 3))], GRAY, steps=1, stride=0.01, chroma=1.0, limit=None)
    assert torch.allclose(attacked, GRAY - 0.01 * torch.cat([a, b]), atol=1e-6)


@pytest.mark.parametrize("limit", [0.1, 1.0])
def test_no_pixel_passes_the_limit_nor_the_range(limit: float) -> None:
    faces = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    attacked = attack(lambda x: [x.square().sum((1, 2, 3))], faces, steps=5, stride=0.2, chroma=1.0, limit=limit)
    assert float(((attacked - faces).abs() / visible_limit(faces)).max()) <= limit + 1e-5
    assert float(attacked.min()) >= 0
    assert float(attacked.max()) <= 1
    assert float(attacked.square().sum()) < float(faces.square().sum())


def test_only_the_sum_of_the_steps_is_brought_within_the_limit() -> None:
    """Three views ask for one way and the last for the other: it may not undo them."""
    w, signs = unit(0), iter([1.0, 1.0, 1.0, -1.0])
    limit = visible_limit(GRAY)
    attacked = attack(
        lambda x: [next(signs) * (x * w).sum((1, 2, 3))], GRAY, steps=4, stride=0.2, chroma=1.0, limit=1.0
    )
    assert torch.allclose(attacked, GRAY + (-0.4 * w).clamp(-limit, limit), atol=1e-6)


def test_a_later_round_goes_on_from_where_one_ended() -> None:
    w = unit(0)
    start = GRAY - 0.02 * w
    attacked = attack(
        lambda x: [(x * w).sum((1, 2, 3))], GRAY, steps=2, stride=0.01, chroma=1.0, limit=None, start=start
    )
    assert torch.allclose(attacked, GRAY - 0.04 * w, atol=1e-6)


def test_it_counts_its_evaluations_and_claims_nothing() -> None:
    made = feature_level(stride=0.01, chroma=1.0)
    labels = torch.zeros(2, dtype=torch.int64)
    attacked = made(lambda x, rows: (x.mean((1, 2, 3)),), GRAY, labels, objective=likeness, criterion=None, steps=3)
    assert attacked.evaluations.tolist() == [3, 3]
    assert not attacked.met.any()
