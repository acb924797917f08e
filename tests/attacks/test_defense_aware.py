"""The defense-aware attack on linear scores with θ, where the least success is known, and its stop."""

from typing import Any

import pytest
import torch
from attacks.classifiers import GRAY, Linear, drawn_labels, linear
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from deid.attacks.contract import LogitsFn
from deid.attacks.defense_aware import (
    PATIENCE,
    TOLERANCE,
    Arrived,
    accepted_lead,
    confident_pgd,
    defense_aware_pgd,
)

DISTANCE = 0.1


def with_theta(network: Linear, theta: float) -> LogitsFn:
    def scores(faces: Tensor, rows: Tensor) -> Tensor:
        logits = network(faces)
        return torch.cat([logits, logits.new_full((len(logits), 1), theta)], 1)

    return scores


@given(seed=st.integers(0, 999), classes=st.integers(2, 6))
def test_the_lead_is_negative_where_another_class_is_answered(seed: int, classes: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(20, classes + 1, generator=generator)
    labels = torch.randint(classes, (20,), generator=generator)
    answers = scores.argmax(1)
    fooled = (answers != labels) & (answers != classes)
    assert torch.equal(accepted_lead(scores, labels, labels) < 0, fooled)


def test_by_hand() -> None:
    """True, reject and rival lead in turn; without rejection it is the difference of logits."""
    scores = torch.tensor([[3.0, 1.0, 2.0], [1.0, 2.0, 5.0], [0.0, 4.0, 1.0], [3.0, 1.0, -torch.inf]])
    assert accepted_lead(scores, torch.zeros(4, dtype=torch.int64), torch.arange(4)).tolist() == [2, 3, -3, 2]


@pytest.mark.parametrize("theta", [-torch.inf, -1000.0])
def test_it_crosses_the_border_as_soon_as_the_ball_reaches_it(theta: float) -> None:
    network, (labels, nearest) = linear(6, (1, 8, 8)), drawn_labels(8, 6)
    faces = network.faces_at(DISTANCE, labels, nearest, 2)
    for radius, is_enough in ((0.95 * DISTANCE, False), (1.2 * DISTANCE, True)):
        found = defense_aware_pgd(with_theta(network, theta), faces, labels, radius=radius, steps=80, seed=0)
        assert found.met.tolist() == [is_enough] * 8
        assert bool(((found.faces - faces).flatten(1).norm(dim=1) <= radius + 1e-5).all())
        if is_enough:
            assert torch.equal(network(found.faces).argmax(1), nearest)


def test_to_be_rejected_is_no_success() -> None:
    """At gray all scores are 0, so only a ball that lifts one class above θ is enough: θ / (SCALE ‖w‖) away."""
    network = linear(3, (1, 8, 8))
    faces, labels = torch.full((2, 1, 8, 8), GRAY), torch.tensor([0, 1])
    theta = 4.0  # 0.1 of a unit weight
    for radius, is_enough in ((0.095, False), (0.12, True)):
        found = defense_aware_pgd(with_theta(network, theta), faces, labels, radius=radius, steps=80, seed=0)
        assert found.met.tolist() == [is_enough] * 2
    answers = with_theta(network, theta)(found.faces, labels).argmax(1)
    assert bool(((answers != labels) & (answers != 3)).all())


def test_flat_scores_end_it_after_some_patience() -> None:
    faces, labels = torch.full((2, 1, 4, 4), GRAY), torch.tensor([0, 1])

    def flat(faces: Tensor, rows: Tensor) -> Tensor:
        return faces.flatten(1)[:, :3] * 1e-6

    found = defense_aware_pgd(flat, faces, labels, radius=1.0, steps=50, seed=0)
    assert found.evaluations.tolist() == [PATIENCE] * 2
    assert not torch.equal(found.faces[0], found.faces[1])


def test_the_best_face_is_kept_and_each_has_its_own_patience() -> None:
    faces = torch.zeros(2, 1, 1, 1)
    arrived = Arrived(torch.tensor([0, 0]), faces)
    # Leads of the true class, step by step: the first gets better and worse, the second hardly moves.
    leads = [(3.0, 1.0), (1.0, 1.005), *[(2.0 + step, 1.0 + TOLERANCE / 2) for step in range(PATIENCE)]]
    for step, lead in enumerate(leads):
        scores = torch.tensor([[value, 0.0, -torch.inf] for value in lead])
        met = arrived(faces + step, scores)
    assert met.tolist() == [False, True]
    assert arrived.losses.tolist() == [1.0, 1.0]
    assert arrived.faces.flatten().tolist() == [1.0, 0.0]


def test_a_larger_ball_never_finds_less() -> None:
    network, (labels, nearest) = linear(6, (1, 8, 8)), drawn_labels(6, 6)
    faces = network.faces_at(DISTANCE, labels, nearest, 2)
    scores, found, before = with_theta(network, 5.0), None, torch.full((6,), torch.inf)
    for radius in (0.05, 0.1, 0.2):
        found = defense_aware_pgd(
            scores, faces, labels, radius=radius, steps=20, seed=0, starts=(None if found is None else found.faces,)
        )
        leads = accepted_lead(scores(found.faces, labels), labels, labels)
        assert bool((leads <= before).all())
        before = leads


def test_a_later_start_gets_where_flat_scores_show_no_way() -> None:
    """Class 1 is accepted beyond a half of the ball alone, and nothing tells on the way there."""
    faces, labels = torch.full((3, 1, 4, 4), GRAY), torch.zeros(3, dtype=torch.int64)

    def plateau(faces: Tensor, rows: Tensor) -> Tensor:
        far = (faces.flatten(1).mean(1) - GRAY - 0.05).relu()
        return torch.stack([0 * far, 10 * far, 0 * far + 1], 1)

    def bare(faces: Tensor, rows: Tensor) -> Tensor:
        lead = faces.flatten(1).sum(1) - faces[0].numel() * GRAY
        return torch.stack([-lead, lead, lead - torch.inf], 1)

    settings: dict[str, Any] = {"radius": 1.0, "steps": 60, "seed": 0}
    assert not defense_aware_pgd(plateau, faces, labels, **settings).met.any()
    start = confident_pgd(bare, faces, labels, **settings)
    torch.testing.assert_close(start, faces + 0.25, atol=0.02, rtol=0)
    found = defense_aware_pgd(plateau, faces, labels, starts=(None, start), **settings)
    assert bool(found.met.all())
    again = defense_aware_pgd(plateau, faces, labels, starts=(start, None), **settings)
    assert again.evaluations.tolist() == [0, 0, 0], "who has succeeded does not start again"
