"""The rows of the tables: what perturbs the photos in each, and toward which rank."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from deid.anonymity.conditions import rank_is
from deid.attacks.carlini_wagner import carlini_wagner
from deid.attacks.classification import classified_as, cross_entropy, logit_difference, misclassified
from deid.attacks.contract import Attack, Attacked, Objective
from deid.attacks.deepfool import deepfool, rivals
from deid.attacks.i_fgvm import i_fgvm
from deid.attacks.l_bfgs import l_bfgs
from deid.attacks.p_fgvm import p_fgvm
from deid.attacks.pgd import pgd_linf
from deid.attacks.ranking import RankingObjective
from deid.experiments.tables import departures, obfuscation
from deid.experiments.tables.departures import MARGIN, STEPS, least_seen
from deid.experiments.tables.task import TRUE, Task


@dataclass(frozen=True)
class Method:
    """title: of its rows; by_level: whether photos are spread over the ranks 2..K+1, with a row a K, or all go to 2."""

    title: str
    run: Callable[[Task], Attacked]
    by_level: bool = False


def toward_second(task: Task, attack: Attack, *, eight_bits: bool = False) -> Attacked:
    """With the second-ranked class as target, by the hinge of K-A³."""
    objective = RankingObjective(task.targets, MARGIN)
    return task.attacked(attack, objective, rank_is(task.groups, 0.0, TRUE), steps=STEPS, eight_bits=eight_bits)


def classified_as_second(
    task: Task, attack: Attack, objective: Callable[..., Objective], *, steps: int, eight_bits: bool = False
) -> Attacked:
    """With the second-ranked class as target."""
    second = task.others[:, 0]
    return task.attacked(attack, objective(second), classified_as(second), steps=steps, eight_bits=eight_bits)


def classified_otherwise(
    task: Task, attack: Attack, objective: Callable[..., Objective], *, steps: int, eight_bits: bool = False
) -> Attacked:
    """Untargeted."""
    return task.attacked(attack, objective(), misclassified(task.true), steps=steps, eight_bits=eight_bits)


# Those of other papers as their papers have them: success is looked at in float, and rounding may undo it.
RIVALS: Mapping[str, tuple[str, Callable[..., Attacked]]] = {
    "l-bfgs": ("L-BFGS", partial(classified_as_second, attack=l_bfgs(), objective=cross_entropy, steps=9 * 20)),
    "deepfool": ("DeepFool", partial(classified_otherwise, attack=deepfool, objective=rivals, steps=50)),
    "c-w": (
        "C&W, 5 × 200 steps",
        partial(classified_as_second, attack=carlini_wagner(searches=5), objective=logit_difference, steps=5 * 200),
    ),
    "p-fgvm": ("P-FGVM", partial(toward_second, attack=p_fgvm)),
    "pgd": ("PGD, L∞", partial(classified_otherwise, attack=pgd_linf(), objective=cross_entropy, steps=STEPS)),
}
METHODS: Mapping[str, Method] = {
    "k-a3": Method("A³", least_seen, by_level=True),
    "i-fgvm": Method("I-FGVM", partial(toward_second, attack=i_fgvm, eight_bits=True)),
    **{name: Method(title, run) for name, (title, run) in RIVALS.items()},
    **{f"{name}-8": Method(f"{title}, 8 bits", partial(run, eight_bits=True)) for name, (title, run) in RIVALS.items()},
    "blur": Method("blur", obfuscation.blur),
    "mosaic": Method("mosaic", obfuscation.mosaic),
    **{name: Method(title, run, by_level=True) for name, (title, run) in departures.LADDER.items()},
}
USUAL = ("k-a3", "i-fgvm", *RIVALS, "blur", "mosaic")
