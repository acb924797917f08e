"""Every attack on a classifier where the least perturbation is known: the distance to a hyperplane."""

from typing import Any

import pytest
import torch
from attacks.classifiers import GRAY, Linear, drawn_labels, linear
from torch import Tensor

from deid.attacks import ATTACKS, OBJECTIVES
from deid.attacks.bim import bim
from deid.attacks.carlini_wagner import carlini_wagner
from deid.attacks.classification import classified_as, logit_difference, misclassified
from deid.attacks.contract import Attack, Attacked
from deid.attacks.fgsm import fgsm
from deid.attacks.jsma import jsma, saliency
from deid.attacks.l_bfgs import l_bfgs
from deid.attacks.one_pixel import one_pixel
from deid.attacks.pgd import pgd_l2, pgd_linf

DISTANCE = 0.02
# Faces, their shape, classes.
BATCHES = [(1, (1, 8, 8), 2), (5, (3, 6, 7), 4), (16, (1, 12, 12), 10)]
STEPS = {"deepfool": 50, "carlini-wagner": 5 * 40, "l-bfgs": 5 * 12}
# The papers' search over c is longer.
MADE = ATTACKS | {"carlini-wagner": carlini_wagner(searches=5), "l-bfgs": l_bfgs(searches=5)}
HINGE = logit_difference(confidence=0.05)


def attack(made: Attack, on: Linear, faces: Tensor, labels: Tensor, *, steps: int, **settings: Any) -> Attacked:
    settings = {"objective": HINGE, "criterion": misclassified(labels), **settings}
    return made(on, faces, labels, steps=steps, **settings)


def lengths(noise: Tensor, norm: float) -> Tensor:
    return noise.flatten(1).norm(dim=1, p=norm)


@pytest.mark.parametrize(("count", "shape", "classes"), BATCHES)
@pytest.mark.parametrize("name", ["i-fgvm", "p-fgvm", "deepfool", "carlini-wagner"])
def test_the_nearest_border_is_crossed_not_far_behind_it(
    name: str, count: int, shape: tuple[int, int, int], classes: int
) -> None:
    network, (labels, nearest) = linear(classes, shape), drawn_labels(count, classes)
    faces = network.faces_at(DISTANCE, labels, nearest, 2)
    objective = HINGE if name.endswith("fgvm") else OBJECTIVES[name]()
    attacked = attack(MADE[name], network, faces, labels, steps=STEPS.get(name, 20), objective=objective)
    assert bool(attacked.met.all())
    assert torch.equal(network(attacked.faces).argmax(1), nearest)
    found = lengths(attacked.faces - faces, 2)
    assert bool((found <= 1.25 * DISTANCE).all())
    assert bool((found >= 0.999 * DISTANCE).all()), "nothing nearer is behind it"


@pytest.mark.parametrize(("count", "shape", "classes"), BATCHES)
@pytest.mark.parametrize("name", ["i-fgvm", "p-fgvm", "l-bfgs", "carlini-wagner"])
def test_a_target_is_reached_not_far_behind_its_border(
    name: str, count: int, shape: tuple[int, int, int], classes: int
) -> None:
    network, (labels, targets) = linear(classes, shape), drawn_labels(count, classes)
    faces = network.faces_at(DISTANCE, labels, targets, 2)
    objective = logit_difference(targets, 0.05) if name.endswith("fgvm") else OBJECTIVES[name](targets)
    attacked = attack(
        MADE[name], network, faces, labels, steps=STEPS.get(name, 20),
        objective=objective, criterion=classified_as(targets),
    )  # fmt: skip
    assert bool(attacked.met.all())
    assert torch.equal(network(attacked.faces).argmax(1), targets)
    assert bool((lengths(attacked.faces - faces, 2) <= 1.25 * DISTANCE).all())


BALLS = [
    ("fgsm", torch.inf, lambda radius: fgsm(radius=radius)),
    ("bim", torch.inf, lambda radius: bim(radius=radius)),
    ("pgd", torch.inf, lambda radius: pgd_linf(radius=radius)),
    ("pgd-l2", 2, lambda radius: pgd_l2(radius=radius)),
]


@pytest.mark.parametrize(("count", "shape", "classes"), BATCHES)
@pytest.mark.parametrize(("name", "norm", "within"), BALLS, ids=[name for name, *_ in BALLS])
def test_a_ball_is_enough_as_soon_as_it_reaches_the_border(
    name: str, norm: float, within: Any, count: int, shape: tuple[int, int, int], classes: int
) -> None:
    network, (labels, nearest) = linear(classes, shape), drawn_labels(count, classes)
    faces = network.faces_at(DISTANCE, labels, nearest, norm)
    for radius, is_enough in ((0.95 * DISTANCE, False), (1.1 * DISTANCE, True)):
        attacked = attack(within(radius), network, faces, labels, steps=120, seed=0)
        assert attacked.met.tolist() == [is_enough] * count
        assert bool((lengths(attacked.faces - faces, norm) <= radius + 1e-5).all())
        if is_enough:
            assert torch.equal(network(attacked.faces).argmax(1), nearest)


def test_bim_stops_as_soon_as_it_is_beyond_the_border() -> None:
    network, (labels, nearest) = linear(10, (1, 12, 12)), drawn_labels(8, 10)
    faces = network.faces_at(DISTANCE, labels, nearest, torch.inf)
    attacked = attack(bim(radius=3 * DISTANCE, share=1 / 20), network, faces, labels, steps=20)
    found = lengths(attacked.faces - faces, torch.inf)
    assert bool(((found >= DISTANCE) & (found <= 1.25 * DISTANCE)).all())


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 6, 6)), (5, (3, 4, 5))])
def test_jsma_changes_as_few_pixels_as_it_takes(count: int, shape: tuple[int, int, int]) -> None:
    """Of two opposite classes each pixel gains by its weight, so the least number is that of the largest weights."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape[0] * shape[1] * shape[2], generator=generator)
    network = Linear(torch.stack([weight, -weight]), shape)
    faces = (GRAY + torch.linspace(0.05, 0.2, count)[:, None] * weight.sign()).view(-1, *shape)
    labels = torch.zeros(count, dtype=torch.int64)
    gaps = 2 * (faces - GRAY).flatten(1) @ weight  # SCALE is in all of them
    rooms = GRAY + (faces - GRAY).flatten(1).abs()
    gains = 2 * (rooms * weight.abs()).sort(1, descending=True).values.cumsum(1)
    least = 1 + (gains <= gaps[:, None]).sum(1)
    attacked = attack(
        jsma(), network, faces, labels, steps=60, objective=saliency(1 - labels), criterion=classified_as(1 - labels)
    )
    assert bool(attacked.met.all())
    assert torch.equal((attacked.faces != faces).flatten(1).sum(1), least)
    assert torch.equal(attacked.evaluations, least)


@pytest.mark.parametrize(("shape", "pixels"), [((1, 6, 6), 1), ((3, 5, 4), 1), ((1, 4, 5), 2)])
def test_one_pixel_finds_the_pixels_where_there_are_any(shape: tuple[int, int, int], pixels: int) -> None:
    """A pixel gains at most the sum of its weights over colors, times its room: who lacks less is to be moved."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(shape, generator=generator)
    network = Linear(torch.stack([weight.flatten(), -weight.flatten()]), shape)
    most = 2 * GRAY * weight.abs().sum(0).flatten().sort(descending=True).values[:pixels].sum()
    gaps = torch.tensor([0.5, 0.9, 1.1, 2.0]) * most
    faces = GRAY + (gaps / (2 * weight.square().sum()))[:, None, None, None] * weight
    # Moving the pixel from beside the gray costs what it was beside it.
    rooms = (GRAY + (faces - GRAY).abs()).flatten(2) * weight.abs().flatten(1)
    can = 2 * rooms.sum(1).sort(1, descending=True).values[:, :pixels].sum(1) > gaps
    labels = torch.zeros(4, dtype=torch.int64)
    attacked = attack(
        one_pixel(pixels=pixels, population=120), network, faces, labels, steps=40, seed=0,
        objective=logit_difference(),
    )  # fmt: skip
    assert attacked.met.tolist() == can.tolist()
    assert 0 < int(can.sum()) < 4
    changed = (attacked.faces != faces).any(1).flatten(1).sum(1)
    assert bool((changed <= pixels).all())
    assert not attacked.evaluations.any(), "it follows no gradient"
