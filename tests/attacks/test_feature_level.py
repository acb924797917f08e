"""The feature-level attack against closed-form truth: with linear networks every step's direction is known."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_msssim import ssim
from torch import Tensor
from torch.nn import functional as F

from deid.attacks.feature_level import distance, feature_level, likeness, meet_goal
from deid.faces.align import align_face
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.losses.visibility import Visibility, visibility_of

SIDE = 32
GRAY = torch.full((2, 1, SIDE, SIDE), 0.5)
POINTS = torch.tensor([[47.0, 40.0], [81.0, 40.0], [64.0, 64.0], [50.0, 88.0], [78.0, 88.0]])


def attack(likenesses: Callable[[Tensor], Sequence[Tensor]], faces: Tensor, **settings: Any) -> Tensor:
    """likenesses: faces → how alike each network finds them."""
    labels = torch.zeros(len(faces), dtype=torch.int64)
    made = feature_level(budget=settings.pop("budget", 0.05))
    attacked = made(lambda x, rows: tuple(likenesses(x)), faces, labels, objective=likeness, criterion=None, **settings)
    return attacked.faces


def unit(seed: int, side: int = SIDE) -> Tensor:
    direction = torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(seed))
    return direction / direction.square().mean().sqrt()


def along(w: Tensor) -> Callable[[Tensor], list[Tensor]]:
    """A network that finds faces the more alike the more they are like w."""
    return lambda x: [(x * w).sum((1, 2, 3))]


def fallen(clean: Tensor, changed: Tensor) -> Tensor:
    return 1 - ssim(clean, changed, data_range=1, win_size=7, size_average=False)


def directions(change: Tensor) -> Tensor:
    return change / change.square().mean((1, 2, 3), keepdim=True).sqrt()


def everywhere(limit: Tensor) -> Visibility:
    """What is seen is the same everywhere, but each pixel has its limit."""
    return Visibility(torch.ones_like(limit), torch.ones_like(limit), limit)


@pytest.fixture(scope="module")
def faces(astronaut: np.ndarray, astronaut_landmarks: np.ndarray) -> Tensor:
    """Smooth, noisy, dark and real."""
    noise = torch.randn((128, 128), generator=torch.Generator().manual_seed(5))
    wave = torch.sin(torch.arange(128.0) / 9)
    smooth = 0.5 + 0.2 * wave[:, None] * wave
    real = align_face(astronaut, astronaut_landmarks, LIGHTCNN_TEMPLATE)[0]
    return torch.stack([smooth, 0.5 + 0.1 * noise, 0.03 + 0.02 * noise, real])[:, None].clamp(0, 1)


def test_a_change_follows_the_value_of_the_gradient() -> None:
    w = unit(0)
    attacked = attack(along(w), GRAY, steps=3)
    assert torch.allclose(directions(attacked - GRAY), -w.expand_as(GRAY), atol=1e-4)


def test_each_network_weighs_the_same_whatever_its_scale() -> None:
    a, b = unit(0), unit(1)
    attacked = attack(lambda x: along(a)(x) + along(1000 * b)(x), GRAY, steps=2)
    assert torch.allclose(directions(attacked - GRAY), -directions(a + b).expand_as(GRAY), atol=1e-4)


@pytest.mark.parametrize("where", [0, 1])
def test_a_network_without_a_gradient_asks_for_nothing(where: int) -> None:
    w = unit(0)

    def both(x: Tensor) -> list[Tensor]:
        terms = [*along(w)(x), 0 * (x * unit(1)).sum((1, 2, 3))]
        return terms if where else terms[::-1]

    assert torch.equal(attack(both, GRAY, steps=3), attack(along(w), GRAY, steps=3))


def test_faces_of_which_nothing_is_asked_stay_and_do_not_spoil_later_steps() -> None:
    """At their goal for as long as a round lasts; then the first of them leaves it."""
    w, step = unit(0), iter(range(60))

    def at_goal_for_long(x: Tensor) -> list[Tensor]:
        to_go = torch.tensor([float(next(step) >= 50), 0.0])
        return [(x * w).sum((1, 2, 3)) * to_go]

    start = GRAY + 0.001 * unit(2)
    for begun in (None, start):
        attacked = attack(at_goal_for_long, GRAY, steps=60, start=begun)
        assert torch.allclose(attacked[1], (GRAY if begun is None else start)[1], atol=1e-6)
        assert float(fallen(GRAY[:1], attacked[:1])) == pytest.approx(0.05, rel=0.05)
        step = iter(range(60))


def test_faces_do_not_share_a_step() -> None:
    a, b = unit(0), unit(1)
    attacked = attack(along(torch.cat([a, 50 * b])), GRAY, steps=1)
    assert torch.allclose(directions(attacked - GRAY), -torch.cat([a, b]), atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 12])
@pytest.mark.parametrize("budget", [0.01, 0.045, 0.15])
def test_ssim_falls_by_the_budget_whatever_the_face(faces: Tensor, budget: float, steps: int) -> None:
    attacked = attack(along(unit(0, 128)), faces, steps=steps, budget=budget)
    assert fallen(faces, attacked).tolist() == pytest.approx([budget] * len(faces), rel=0.05)
    lengths = (attacked - faces).square().mean((1, 2, 3)).sqrt()
    assert float(lengths.max() / lengths.min()) > 3, "a face that hides more is changed more"


def test_and_by_the_budget_where_what_is_seen_differs_from_place_to_place(faces: Tensor) -> None:
    visibility = visibility_of(faces, [POINTS] * len(faces), features=0.5)
    w, rows = unit(0, 128).expand_as(faces), torch.arange(len(faces))
    attacked = attack(along(w), faces, steps=3, budget=0.045, visibility=visibility)
    assert fallen(faces, attacked).tolist() == pytest.approx([0.045] * len(faces), rel=0.05)
    inside = (attacked > 0) & (attacked < 1)  # elsewhere a change is cut off
    change, expected = (attacked - faces) * inside, -visibility.least_seen(w, rows) * inside
    assert F.cosine_similarity(change.flatten(1), expected.flatten(1)).tolist() == pytest.approx([1] * 4, abs=1e-4)
    assert not (attacked - faces)[visibility.room == 0].any()


@pytest.mark.parametrize("limit", [0.1, 1.0])
def test_no_pixel_passes_the_limit_nor_the_range(limit: float) -> None:
    generator = torch.Generator().manual_seed(3)
    faces = torch.rand(2, 1, SIDE, SIDE, generator=generator)
    limits = 0.3 * torch.rand(2, 1, SIDE, SIDE, generator=generator)
    for start in (None, (faces + limit * limits).clamp(0, 1)):
        attacked = attack(
            lambda x: [x.square().sum((1, 2, 3))], faces, steps=5, budget=0.9,
            visibility=everywhere(limits), limit=limit, start=start,
        )  # fmt: skip
        assert bool(((attacked - faces).abs() <= limit * limits + 1e-6).all())
        assert float(attacked.min()) >= 0
        assert float(attacked.max()) <= 1
        assert float(attacked.square().sum()) < float(faces.square().sum())
    assert float(fallen(faces, attacked).max()) < 0.9, "the limit holds where the budget asks for more"


def test_views_that_agree_are_not_undone_by_a_late_one() -> None:
    """Three ask for one way and the last for the other: only their sum is brought within what may be seen."""
    w, signs = unit(0), iter([1.0, 1.0, 1.0, -1.0])
    attacked = attack(lambda x: [next(signs) * (x * w).sum((1, 2, 3))], GRAY, steps=4)
    assert torch.allclose(attacked, attack(along(w), GRAY, steps=4), atol=1e-5)
    a, b, turn = unit(1), unit(2), iter([0, 1, 0])
    attacked = attack(lambda x: along((a, b)[next(turn)])(x), GRAY, steps=3)
    assert torch.allclose(directions(attacked - GRAY), -directions(2 * a + b).expand_as(GRAY), atol=1e-4)


def test_a_later_round_goes_on_from_where_one_ended() -> None:
    """What was there stays, and what is asked for now comes on top, until all of it is as the budget says."""
    v, w = unit(1), unit(2)
    start = GRAY + 0.004 * v
    before = fallen(GRAY, start)
    attacked = attack(along(w), GRAY, steps=2, start=start, budget=float(before[0]) + 0.05)
    added = attacked - start
    assert torch.allclose(directions(added), -w.expand_as(GRAY), atol=1e-3)
    assert fallen(GRAY, attacked).tolist() == pytest.approx((before + 0.05).tolist(), rel=0.05)
    assert torch.equal(start, GRAY + 0.004 * v), "what is given is not changed"


def test_a_round_that_may_show_no_more_than_the_last_one_did_adds_next_to_nothing() -> None:
    start = attack(along(unit(1)), GRAY, steps=3, budget=0.1)
    attacked = attack(along(unit(2)), GRAY, steps=3, start=start, budget=0.05)
    assert float((attacked - start).abs().max()) < 1e-3


def test_the_same_again_is_the_same(faces: Tensor) -> None:
    visibility = visibility_of(faces, [POINTS] * len(faces), features=0.5)
    once, again = (
        attack(lambda x: [x.square().mean((1, 2, 3)), *along(unit(0, 128))(x)], faces, steps=4,
               visibility=visibility, limit=2.0)
        for _ in range(2)
    )  # fmt: skip
    assert torch.equal(once, again), "no attack remembers another"


def test_it_counts_its_evaluations_and_claims_nothing() -> None:
    made = feature_level(budget=0.05)
    labels = torch.zeros(2, dtype=torch.int64)
    attacked = made(lambda x, rows: (x.mean((1, 2, 3)),), GRAY, labels, objective=likeness, criterion=None, steps=3)
    assert attacked.evaluations.tolist() == [3, 3]
    assert not attacked.met.any()


def test_a_goal_is_met_from_either_side_with_the_least_change_there_is() -> None:
    """On a linear network the shortest way to a value is a multiple of its weights; both faces end at 1."""
    w, labels = unit(3), torch.zeros(2, dtype=torch.int64)
    at = lambda x: (x * w).sum((1, 2, 3)) / w.square().sum()  # noqa: E731
    start = GRAY + torch.tensor([1.3, 0.9])[:, None, None, None] * 0.01 * w
    goal = at(GRAY)[0] + 0.011
    attacked = meet_goal(
        lambda x, rows: at(x) - goal, GRAY, labels, objective=distance, criterion=None, steps=8, start=start
    )
    assert torch.allclose(at(attacked.faces), goal.expand(2), atol=1e-5)
    assert torch.allclose(
        directions(attacked.faces - start), torch.tensor([-1.0, 1.0])[:, None, None, None] * w, atol=1e-2
    )
    seen = everywhere(torch.full_like(GRAY, 0.004))
    bound = meet_goal(
        lambda x, rows: at(x) - 100,
        GRAY,
        labels,
        objective=distance,
        criterion=None,
        steps=3,
        visibility=seen,
        limit=1.0,
    )
    assert float((bound.faces - GRAY).abs().max()) == pytest.approx(0.004, abs=1e-6)
