"""Attacks on ranks where the truth is known: linear recognizers, whose minimal perturbation is a projection."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from deid.anonymity.conditions import rank_is, rank_of, ranked_others, targets_of
from deid.attacks import ATTACKS
from deid.attacks.contract import Attacked
from deid.attacks.loop import Iterate
from deid.attacks.ranking import RankingObjective, polyak_step, ranking_loss
from deid.losses.visibility import Visibility, visibility_of
from deid.methods import ATTACKS_OF

SIDE = 112  # CW-SSIM needs faces of more than 96 pixels
GRAY = 0.5
# Those that go as far as it takes; the others keep within a radius, or need many steps.
NEAREST = ["k-a3", "i-fgvm", "p-fgvm", "l-bfgs"]
# Eyes, nose and corners of the mouth.
POINTS = torch.tensor([[41.0, 35.0], [71.0, 35.0], [56.0, 56.0], [44.0, 77.0], [68.0, 77.0]])


def linear(identities: int, seed: int = 0) -> Tensor:
    """Orthonormal weights (M, SIDE²): then distances to the ranking's half-spaces are exact."""
    generator = torch.Generator().manual_seed(seed)
    weights, _ = torch.linalg.qr(torch.randn(SIDE * SIDE, identities, generator=generator))
    return weights.T


def attack(method: str, weights: Tensor, clean: Tensor, k: Tensor, margin: float, **more: Any) -> Attacked:
    logits_fn = lambda faces, rows: (faces - GRAY).flatten(1) @ weights.T  # noqa: E731
    logits = logits_fn(clean, None)
    targets = targets_of(ranked_others(logits, int(k.max()) - 1), k)
    return ATTACKS[method](
        logits_fn,
        clean,
        torch.zeros(len(clean), dtype=torch.int64),
        objective=RankingObjective(targets, margin),
        steps=60,
        **{"criterion": rank_is(k, 0.0), **more},
    )


def faces_with_logits(weights: Tensor, logits: Tensor) -> Tensor:
    """Faces near middle gray that have exactly these logits (N, M)."""
    return (GRAY + logits @ weights).reshape(-1, 1, SIDE, SIDE)


def least_change(logits: Tensor, k: int) -> float:
    """The shortest move of one face's logits (M,) to «r(2..k) above y, everyone else below», by trying levels.

    At the optimum everyone who has to cross meets y at one level t, which minimizes a one-dimensional function.
    """
    above, below = logits[1:].sort(descending=True).values[: k - 1], logits[1:].sort(descending=True).values[k - 1 :]
    levels = torch.linspace(float(logits.min()), float(logits.max()), 4001)[:, None]
    cost = (levels - logits[:1]).square().sum(1)
    cost = cost + (levels - above).relu().square().sum(1) + (below - levels).relu().square().sum(1)
    return float(cost.min().sqrt())


@pytest.mark.parametrize(("method", "k"), list(itertools.product(NEAREST, [2, 3, 4])))
def test_the_perturbation_is_nearly_the_projection(method: str, k: int) -> None:
    weights = linear(8)
    logits = torch.tensor([[2.0, 1.2, 1.0, 0.7, 0.2, 0.1, 0.0, -0.3]])
    clean = faces_with_logits(weights, logits)
    attacked = attack(method, weights, clean, torch.tensor([k]), margin=0.02).faces
    reached = (attacked - GRAY).flatten(1) @ weights.T
    assert int(rank_of(reached, 0)) == k
    assert float((attacked - clean).norm()) <= 1.25 * least_change(logits[0], k)


@pytest.mark.parametrize("method", NEAREST[:3])
def test_every_face_of_a_batch_reaches_its_own_rank_and_stops_there(method: str) -> None:
    weights = linear(20)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 20, generator=generator)
    logits[:, 0] = 5
    clean, k = faces_with_logits(weights, logits), torch.tensor([2, 3, 4, 5, 6, 2])
    attacked = attack(method, weights, clean, k, margin=0.05)
    batch, counts = attacked.faces, attacked.evaluations
    assert bool(attacked.met.all())
    assert torch.equal(rank_of((batch - GRAY).flatten(1) @ weights.T, 0), k)
    assert bool((counts > 0).all())
    assert bool((counts < 60).all())
    assert bool(((batch >= 0) & (batch <= 1)).all())
    alone = attack(method, weights, clean[3:4], k[3:4], margin=0.05).faces
    assert torch.allclose(batch[3:4], alone, atol=1e-4)


def test_a_face_that_is_done_is_left_alone() -> None:
    weights = linear(5)
    clean = faces_with_logits(weights, torch.tensor([[1.0, 2.0, 0.5, 0.2, 0.1]]))
    attacked = attack("k-a3", weights, clean, torch.tensor([2]), margin=0.0)
    assert torch.equal(attacked.faces, clean)
    assert int(attacked.evaluations) == 0
    assert bool(attacked.met)


def test_the_visual_terms_make_k_a3_the_quieter_of_the_two() -> None:
    """On a recognizer that is not linear, K-A³ ends nearer to the clean face."""
    from pytorch_msssim import ssim

    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 7, 4), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(8 * 27 * 27, 12)
    )
    rows = torch.linspace(0, 9, SIDE)
    clean = (0.5 + 0.3 * torch.sin(rows)[:, None] * torch.cos(1.7 * rows)[None]).expand(1, 1, SIDE, SIDE).clone()
    with torch.no_grad():
        order = network(clean)[0].argsort(descending=True)
        network[3].weight[:] = network[3].weight[order]
        network[3].bias[:] = network[3].bias[order]
    logits_fn = lambda faces, rows: network(faces)  # noqa: E731
    k = torch.tensor([4])
    targets = targets_of(ranked_others(network(clean).detach(), 3), k)
    quality = {}
    for method in ("k-a3", "i-fgvm"):
        attacked = ATTACKS[method](
            logits_fn,
            clean,
            torch.zeros(1, dtype=torch.int64),
            objective=RankingObjective(targets, margin=0.01),
            criterion=rank_is(k, 0.0),
            steps=60,
        ).faces
        assert int(rank_of(network(attacked), 0)) == 4
        quality[method] = float(ssim(clean, attacked, data_range=1, win_size=7))
    assert quality["k-a3"] >= quality["i-fgvm"]


def test_the_loss_is_zero_exactly_when_the_order_is_reached() -> None:
    labels = torch.zeros(1, dtype=torch.int64)
    targets = torch.tensor([[2, 1, -1]])
    reached = torch.tensor([[0.5, 0.7, 0.9, 0.3, -torch.inf]])
    assert float(ranking_loss(reached, labels, targets, 0.1)) == 0
    # y 0.5 against 0.55 (target, 0.05 short) and 0.45 (outsider, 0.05 short), two views summed
    short = torch.tensor([[0.5, 0.55, 0.9, 0.45, -torch.inf]])
    assert float(ranking_loss(short, labels, targets, 0.1)) == pytest.approx(0.1)
    assert float(ranking_loss(torch.stack([short, reached], 1), labels, targets, 0.1)) == pytest.approx(0.1)


def test_each_view_may_have_its_own_targets() -> None:
    labels = torch.zeros(1, dtype=torch.int64)
    logits = torch.tensor([[[0.5, 0.9, 0.1], [0.5, 0.1, 0.9]]])
    assert float(ranking_loss(logits, labels, torch.tensor([[[1], [2]]]), 0.1)) == 0
    assert float(ranking_loss(logits, labels, torch.tensor([[1]]), 0.1)) == pytest.approx(0.5 + 0.5)


def test_without_exactness_others_may_lie_above_too() -> None:
    labels, targets = torch.zeros(1, dtype=torch.int64), torch.tensor([[1]])
    logits = torch.tensor([[0.5, 0.9, 0.8]])
    assert float(ranking_loss(logits, labels, targets, 0.1)) == pytest.approx(0.4)
    assert float(ranking_loss(logits, labels, targets, 0.1, exact=False)) == 0


@pytest.mark.parametrize("method", ATTACKS_OF["paper"])
def test_no_pixel_changes_by_more_than_the_limit(method: str) -> None:
    weights, generator = linear(8), torch.Generator().manual_seed(3)
    clean = faces_with_logits(weights, torch.tensor([[2.0, 1.2, 1.0, 0.7, 0.2, 0.1, 0.0, -0.3]]))
    clean = (clean + 0.02 * torch.randn(clean.shape, generator=generator)).clamp(0, 1)
    seen = visibility_of(clean, [POINTS], features=1.0)
    attacked = attack(method, weights, clean, torch.tensor([4]), margin=0.02, visibility=seen, limit=0.05).faces
    assert bool(((attacked - clean).abs() <= 0.05 * seen.limit + 1e-6).all())
    assert not torch.equal(attacked, clean)


class Masked(Visibility):
    """All that is seen is the same, but only some places may change."""

    def least_seen(self, gradients: Tensor, rows: Tensor) -> Tensor:
        return self.room[rows] * gradients


def masked(room: Tensor) -> Visibility:
    return Masked(room, torch.ones_like(room), torch.ones_like(room))


def test_k_a3_moves_where_little_is_seen_and_as_far_as_the_hinge_asks_for() -> None:
    weights, logits = linear(8), torch.tensor([[2.0, 1.2, 1.0, 0.7, 0.2, 0.1, 0.0, -0.3]])
    clean, room = faces_with_logits(weights, logits), torch.zeros(1, 1, SIDE, SIDE)
    room[..., : SIDE // 2] = 1
    for method, keeps_off in (("k-a3", True), ("i-fgvm", False)):
        attacked = attack(method, weights, clean, torch.tensor([3]), margin=0.02, visibility=masked(room))
        change = attacked.faces - clean
        assert bool(attacked.met)
        assert int(rank_of((attacked.faces - GRAY).flatten(1) @ weights.T, 0)) == 3
        assert bool(change[..., SIDE // 2 :].any()) == (not keeps_off), "its paper follows the gradient's value"
    even = attack("k-a3", weights, clean, torch.tensor([3]), margin=0.02).faces
    alike = attack("k-a3", weights, clean, torch.tensor([3]), margin=0.02, visibility=masked(torch.ones_like(room)))
    assert torch.allclose(alike.faces, even, atol=1e-6), "where all is seen alike, nothing is different"


def test_a_step_along_any_descent_takes_its_share_of_what_the_linearized_hinge_lacks() -> None:
    gradient = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    room = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    zero, losses = torch.zeros(2, 1, 8, 8), torch.tensor([0.3, 0.02])
    for step, share in ((0, 0.8), (1, 0.8 * 1.06), (99, 1.6)):
        at = Iterate(step, torch.arange(2), zero, zero, (losses,), (gradient,))
        for direction in (gradient, room * gradient):
            move = polyak_step(at, direction)
            assert torch.allclose((move * gradient).sum((1, 2, 3)), share * losses, rtol=1e-4)
            units = [maps.flatten(1) / maps.flatten(1).norm(dim=1, keepdim=True) for maps in (move, direction)]
            assert torch.allclose(*units, atol=1e-5)


def test_the_gradient_of_the_loss_is_right() -> None:
    labels, targets = torch.tensor([1, 0]), torch.tensor([[0, -1], [3, 2]])
    logits = torch.randn(2, 3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: ranking_loss(x, labels, targets, 0.3), logits)


def test_exactness_may_be_asked_of_some_views_only() -> None:
    labels, targets = torch.zeros(1, dtype=torch.int64), torch.tensor([[1]])
    logits = torch.tensor([[[0.5, 0.9, 0.1], [0.5, 0.9, 0.8]]])
    assert float(ranking_loss(logits, labels, targets, 0.1, exact=torch.tensor([[True, False]]))) == 0
    assert float(ranking_loss(logits, labels, targets, 0.1, exact=torch.tensor([[False, True]]))) == pytest.approx(0.4)
