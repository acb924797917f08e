"""The attacks that foolbox has, too, on the same network and faces: no less success, and no longer perturbations."""

from collections.abc import Callable
from typing import Any

import foolbox
import pytest
import torch
from attacks.classifiers import small_network
from torch import Tensor

from deid.attacks import ATTACKS, OBJECTIVES
from deid.attacks.bim import bim
from deid.attacks.carlini_wagner import carlini_wagner
from deid.attacks.classification import classified_as, cross_entropy, logit_difference, misclassified
from deid.attacks.contract import Attack
from deid.attacks.fgsm import fgsm
from deid.attacks.l_bfgs import l_bfgs
from deid.attacks.pgd import pgd_l2, pgd_linf

FACES = torch.rand(16, 1, 12, 12, generator=torch.Generator().manual_seed(5))
NETWORK = small_network(FACES)
LABELS = NETWORK(FACES).argmax(1)
TARGETS = NETWORK(FACES).topk(2, 1).indices[:, 1]
RADIUS, LENGTH = 0.03, 0.3
CARLINI_WAGNER = foolbox.attacks.L2CarliniWagnerAttack(5, 50, initial_const=0.1)
CLOSE = 1.05  # of the median length

# foolbox's attack and its radius, ours, its steps, the norm.
OF_A_BALL: dict[str, tuple[Callable[[], Any], float, Attack, int, float]] = {
    "fgsm": (lambda: foolbox.attacks.FGSM(), RADIUS, fgsm(radius=RADIUS), 1, torch.inf),
    "bim": (
        lambda: foolbox.attacks.LinfBasicIterativeAttack(), RADIUS, bim(radius=RADIUS, share=0.2), 10, torch.inf
    ),
    "pgd": (lambda: foolbox.attacks.LinfPGD(), RADIUS, pgd_linf(radius=RADIUS), 41, torch.inf),
    "pgd-l2": (lambda: foolbox.attacks.L2PGD(), LENGTH, pgd_l2(radius=LENGTH), 51, 2),
}  # fmt: skip


def assert_no_worse(theirs: Any, radius: float | None, ours: Tensor, targets: Tensor | None, norm: float) -> None:
    """Ours as faces (N, C, H, W)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        wanted = foolbox.criteria.Misclassification(LABELS) if targets is None else None
        wanted = wanted or foolbox.criteria.TargetedMisclassification(targets)
        _, found, is_found = theirs(foolbox.PyTorchModel(NETWORK, (0, 1), device="cpu"), FACES, wanted, epsilons=radius)
    said = NETWORK(ours).argmax(1)
    succeeded = said != LABELS if targets is None else said == targets
    assert int(succeeded.sum()) >= int(is_found.sum())
    assert bool(is_found.any())
    length, longest = (
        (faces - FACES)[which].flatten(1).norm(dim=1, p=norm).median()
        for faces, which in ((ours, succeeded), (found, is_found))
    )
    assert float(length) <= CLOSE * float(longest)


@pytest.mark.parametrize(
    ("name", "is_targeted"),
    [(name, False) for name in OF_A_BALL] + [(name, True) for name in OF_A_BALL if name != "fgsm"],  # foolbox has none
)
def test_within_the_same_ball(name: str, is_targeted: bool) -> None:
    theirs, radius, ours, steps, norm = OF_A_BALL[name]
    targets = TARGETS if is_targeted else None
    attacked = ours(
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=cross_entropy(targets), steps=steps, seed=0,
        criterion=classified_as(TARGETS) if is_targeted else misclassified(LABELS),
    )  # fmt: skip
    assert_no_worse(theirs(), radius, attacked.faces, targets, norm)


def test_deepfool() -> None:
    attacked = ATTACKS["deepfool"](
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=OBJECTIVES["deepfool"](), steps=50,
        criterion=misclassified(LABELS),
    )  # fmt: skip
    assert_no_worse(foolbox.attacks.L2DeepFoolAttack(), None, attacked.faces, None, 2)


@pytest.mark.parametrize("is_targeted", [False, True])
def test_carlini_wagner(is_targeted: bool) -> None:
    targets = TARGETS if is_targeted else None
    attacked = carlini_wagner(searches=5, first_c=0.1)(
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=logit_difference(targets), steps=5 * 50,
        criterion=classified_as(TARGETS) if is_targeted else misclassified(LABELS),
    )  # fmt: skip
    assert_no_worse(CARLINI_WAGNER, None, attacked.faces, targets, 2)


def test_l_bfgs() -> None:
    """foolbox has none: its Carlini-Wagner, with the same loss, stands for what there is to be found."""
    attacked = l_bfgs(searches=7, first_c=0.03)(
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=logit_difference(TARGETS, 0.1), steps=7 * 12,
        criterion=classified_as(TARGETS),
    )  # fmt: skip
    assert_no_worse(CARLINI_WAGNER, None, attacked.faces, TARGETS, 2)
