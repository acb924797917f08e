"""The attacks that foolbox has, too, on the same network and faces: no less success, and no longer perturbations."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from attacks.classifiers import small_network
from torch import Tensor

from deid.attacks import ATTACKS, OBJECTIVES
from deid.attacks.bim import bim
from deid.attacks.classification import classified_as, cross_entropy, misclassified
from deid.attacks.contract import Attack
from deid.attacks.fgsm import fgsm
from deid.attacks.pgd import pgd_l2, pgd_linf

foolbox = pytest.importorskip("foolbox")

FACES = torch.rand(16, 1, 12, 12, generator=torch.Generator().manual_seed(5))
NETWORK = small_network(FACES)
LABELS = NETWORK(FACES).argmax(1)
TARGETS = NETWORK(FACES).topk(2, 1).indices[:, 1]
RADIUS, LENGTH = 0.03, 0.3
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


def compared(theirs: Any, radius: float | None, ours: Tensor, targets: Tensor | None, norm: float) -> None:
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


@pytest.mark.parametrize("is_targeted", [False, True])
@pytest.mark.parametrize("name", OF_A_BALL)
def test_within_the_same_ball(name: str, is_targeted: bool) -> None:
    theirs, radius, ours, steps, norm = OF_A_BALL[name]
    targets = TARGETS if is_targeted else None
    attacked = ours(
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=cross_entropy(targets), steps=steps, seed=0,
        criterion=classified_as(TARGETS) if is_targeted else misclassified(LABELS),
    )  # fmt: skip
    compared(theirs(), radius, attacked.faces, targets, norm)


def test_deepfool() -> None:
    attacked = ATTACKS["deepfool"](
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=OBJECTIVES["deepfool"](), steps=50,
        criterion=misclassified(LABELS),
    )  # fmt: skip
    compared(foolbox.attacks.L2DeepFoolAttack(), None, attacked.faces, None, 2)


@pytest.mark.parametrize("is_targeted", [False, True])
def test_carlini_wagner(is_targeted: bool) -> None:
    targets = TARGETS if is_targeted else None
    attacked = ATTACKS["carlini-wagner"](
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=OBJECTIVES["carlini-wagner"](targets), steps=9 * 100,
        criterion=classified_as(TARGETS) if is_targeted else misclassified(LABELS),
    )  # fmt: skip
    compared(foolbox.attacks.L2CarliniWagnerAttack(9, 100), None, attacked.faces, targets, 2)


def test_l_bfgs_goes_hardly_farther_than_carlini_wagner() -> None:
    """foolbox has none: its Carlini-Wagner, which came after it, stands for what can be found."""
    attacked = ATTACKS["l-bfgs"](
        lambda x, rows: NETWORK(x), FACES, LABELS, objective=OBJECTIVES["l-bfgs"](TARGETS), steps=9 * 30,
        criterion=classified_as(TARGETS),
    )  # fmt: skip
    compared(foolbox.attacks.L2CarliniWagnerAttack(9, 100), None, attacked.faces, TARGETS, 2)
