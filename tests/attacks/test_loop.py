"""What the loop promises every attack, with step rules that are written down here."""

from typing import Any

import pytest
import torch
from torch import Tensor

from deid.attacks.contract import Attacked, Logits
from deid.attacks.loop import Iterate, StepRule, gradient_attack
from deid.losses.visibility import Visibility

FACES = torch.full((3, 1, 16, 16), 0.5)
LABELS = torch.zeros(3, dtype=torch.int64)


def brightness(faces: Tensor, rows: Tensor) -> Tensor:
    """Logits (n, 2): the mean, and nothing."""
    return torch.stack([faces.mean((1, 2, 3)), torch.zeros(len(faces))], 1)


def first_logit(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    return logits[:, 0]


def darker(at: Iterate) -> Tensor:
    """A hundredth a step, whatever the gradient says."""
    return at.faces - 0.01 - at.clean


def attack(rule: StepRule, logits_fn: Any = brightness, faces: Tensor = FACES, **settings: Any) -> Attacked:
    settings = {"objective": first_logit, "criterion": None, **settings}
    return gradient_attack(lambda clean, start, visibility: rule)(logits_fn, faces, LABELS, **settings)


def below(levels: Tensor):
    return lambda faces, logits: logits[:, 0] <= levels + 1e-6


def test_each_face_stops_when_it_is_done_and_stays() -> None:
    levels = torch.tensor([0.5, 0.47, 0.3])
    attacked = attack(darker, criterion=below(levels), steps=10)
    assert attacked.evaluations.tolist() == [0, 3, 10]
    assert attacked.met.tolist() == [True, True, False]
    assert torch.equal(attacked.faces[0], FACES[0])
    assert torch.allclose(attacked.faces.mean((1, 2, 3)), torch.tensor([0.5, 0.47, 0.4]))


def test_without_a_criterion_every_step_is_taken_and_nothing_is_evaluated_after_the_last() -> None:
    calls = []

    def counted(faces: Tensor, rows: Tensor) -> Tensor:
        calls.append(rows.tolist())
        return brightness(faces, rows)

    attacked = attack(darker, counted, steps=4)
    assert calls == [[0, 1, 2]] * 4
    assert attacked.evaluations.tolist() == [4, 4, 4]
    assert not attacked.met.any()


def test_rules_get_the_gradients_of_the_faces_that_are_open_term_by_term() -> None:
    iterates: list[Iterate] = []

    def rule(at: Iterate) -> Tensor:
        iterates.append(at)
        return darker(at)

    def two_terms(logits: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return logits[:, 0], 3 * logits[:, 0] + rows

    levels = torch.tensor([0.6, 0.0, 0.0])
    attack(rule, objective=two_terms, criterion=below(levels), steps=1)
    (at,) = iterates
    assert (at.step, at.rows.tolist()) == (0, [1, 2])
    assert torch.allclose(at.losses[1], torch.tensor([2.5, 3.5]))
    assert torch.allclose(at.gradients[0], torch.full((2, 1, 16, 16), 1 / 256))
    assert torch.allclose(at.gradient, torch.full((2, 1, 16, 16), 4 / 256))
    assert torch.allclose(at.loss, torch.tensor([3.0, 4.0]))


@pytest.mark.parametrize("limit", [0.1, 0.5])
def test_no_pixel_passes_the_limit_nor_the_range(limit: float) -> None:
    generator = torch.Generator().manual_seed(0)
    faces, limits = (torch.rand(3, 1, 16, 16, generator=generator) for _ in range(2))
    shown = Visibility(torch.ones_like(faces), torch.ones_like(faces), limits)
    attacked = attack(lambda at: at.clean - 2, faces=faces, steps=2, visibility=shown, limit=limit)
    assert torch.allclose(attacked.faces, (faces - limit * limits).clamp(0, 1))
    for free in ({"visibility": shown}, {"limit": limit}, {}):
        assert torch.equal(attack(lambda at: at.clean - 2, faces=faces, steps=1, **free).faces, torch.zeros_like(faces))


def test_rules_can_tell_beforehand_what_the_limit_and_the_range_leave_of_a_change() -> None:
    told: list[tuple[Tensor, Tensor, Tensor]] = []
    limits = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    shown = Visibility(torch.ones_like(FACES), torch.ones_like(FACES), limits)

    def rule(at: Iterate) -> Tensor:
        told.append((at.rows, at.within(torch.full_like(at.clean, 0.7)), at.within(torch.full_like(at.clean, -0.1))))
        return torch.full_like(at.clean, 0.7)

    levels = torch.tensor([0.0, 0.6, 0.0])
    attacked = attack(rule, criterion=below(levels), steps=1, visibility=shown, limit=0.8)
    ((rows, up, down),) = told
    assert rows.tolist() == [0, 2], "of the faces that are open"
    assert torch.allclose(up, (0.8 * limits[rows]).clamp(max=0.5), atol=1e-6)
    assert torch.allclose(down, -(0.8 * limits[rows]).clamp(max=0.1), atol=1e-6)
    assert torch.allclose(attacked.faces[rows], FACES[rows] + up)


def test_a_rule_is_made_of_the_clean_faces_their_start_and_what_is_seen_of_them() -> None:
    made: list[tuple[Any, ...]] = []
    start, shown = FACES - 0.1, Visibility(FACES, FACES, FACES)
    attacked = gradient_attack(lambda *given: made.append(given) or darker)
    settings = {"objective": first_logit, "criterion": None, "steps": 1}
    attacked(brightness, FACES, LABELS, start=start, visibility=shown, **settings)
    attacked(brightness, FACES, LABELS, **settings)
    for given, expected in zip(made, [(FACES, start, shown), (FACES, None, None)], strict=True):
        assert all(one is other for one, other in zip(given, expected, strict=True))


def test_a_run_goes_on_from_its_start() -> None:
    start = FACES - 0.1
    attacked = attack(darker, steps=2, start=start)
    assert torch.allclose(attacked.faces, FACES - 0.12)
    assert torch.equal(start, FACES - 0.1), "what is given is not changed"


def test_whoever_watches_is_told_of_every_step_before_it_is_taken_and_may_end_it() -> None:
    told: list[tuple[list[int], list[float]]] = []

    def on_step(rows: Tensor, logits: Logits) -> None:
        assert isinstance(logits, Tensor)
        assert not logits.requires_grad
        told.append((rows.tolist(), [round(value, 2) for value in logits[:, 0].tolist()]))
        if len(told) == 3:
            raise KeyboardInterrupt

    levels = torch.tensor([0.5, 0.0, 0.0])
    with pytest.raises(KeyboardInterrupt):
        attack(darker, criterion=below(levels), steps=9, on_step=on_step)
    assert told == [([0, 1, 2], [0.5] * 3), ([1, 2], [0.49] * 2), ([1, 2], [0.48] * 2)]


def test_a_criterion_on_answers_of_several_networks_is_a_mistake() -> None:
    def answers(faces: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return faces.mean((1, 2, 3)), faces.mean((1, 2, 3))

    with pytest.raises(TypeError, match="one tensor"):
        attack(darker, answers, criterion=below(torch.zeros(3)), steps=1)
