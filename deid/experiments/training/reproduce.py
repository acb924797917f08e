"""Networks that are trained against attacks, attacked again: what each defense takes, and what it only hides.

Attacks are crafted on the defended network itself, of photos to test on, and looked at in 8 bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deid.anonymity.intervals import proportion
from deid.attacks.carlini_wagner import carlini_wagner
from deid.attacks.classification import cross_entropy, logit_difference
from deid.attacks.contract import Attacked
from deid.attacks.fgsm import fgsm
from deid.attacks.pgd import pgd_l2
from deid.defenses.adaptive import adaptive
from deid.defenses.gradient_checks import findings
from deid.defenses.undefended import undefended
from deid.experiments.cifar10 import CIFAR10
from deid.experiments.mnist import MNIST
from deid.experiments.results import as_svg, check_installed, check_names, note, write_results
from deid.experiments.tables.data import SEED, Photos, sample
from deid.experiments.tables.departures import in_eight_bits
from deid.experiments.tables.methods import Method, classified_as_second, classified_otherwise
from deid.experiments.tables.pieces import Row, Target, measure_row
from deid.experiments.tables.reproduce import recognized_by
from deid.experiments.tables.task import Task
from deid.experiments.tables.training import trained
from deid.experiments.training.networks import TRAININGS, Setting, Start
from deid.experiments.training.table import as_markdown, plot
from deid.experiments.yale import YALE
from deid.training.distill import Schedule

CHECKED = 64  # photos whose gradients are looked at
LEVEL = 5  # K of K-A³

MNIST_SCHEDULE = Schedule(2000, muon_peak=0.01, adamw_peak=1e-3)
SETTINGS: Mapping[str, Setting] = {
    "mnist": Setting(
        MNIST, "LeNet-5", epsilon=0.1, radius=1.5, schedule=MNIST_SCHEDULE, adversarial=MNIST_SCHEDULE,
        found=2000, count=200, pgd_steps=100, cw_steps=200,
    ),
    "yale": Setting(
        YALE, "LightCNN-9", epsilon=4 / 255, radius=2.0,
        schedule=Schedule(800, muon_peak=0.005, adamw_peak=1e-3),
        adversarial=Schedule(60, batch=32, muon_peak=0.002, adamw_peak=1e-3),
        found=380, count=38, pgd_steps=40, cw_steps=20,
    ),
    "cifar10": Setting(
        CIFAR10, "MobileNetV2", epsilon=8 / 255, radius=0.5,
        schedule=Schedule(300, muon_peak=0.005, adamw_peak=1e-3),
        adversarial=Schedule(100, muon_peak=0.005, adamw_peak=1e-3),
        found=1000, count=50, pgd_steps=40, cw_steps=20,
    ),
}  # fmt: skip


def methods_of(setting: Setting) -> dict[str, Method]:
    """The columns. Names tell radius and steps: rows are kept under them."""
    epsilon, radius, steps, cw_steps = setting.epsilon, setting.radius, setting.pgd_steps, setting.cw_steps
    in_ball = pgd_l2(radius=radius)

    def one_step(task: Task) -> Attacked:
        return classified_otherwise(task, fgsm(radius=epsilon), cross_entropy, steps=1, eight_bits=True)

    def many_steps(task: Task) -> Attacked:
        return classified_otherwise(task, in_ball, cross_entropy, steps=steps, eight_bits=True)

    def knowing(task: Task) -> Attacked:
        defended = undefended(task.network)
        return adaptive(defended, task.photos, task.labels, attack=in_ball, steps=steps, seed=SEED)

    def least(task: Task) -> Attacked:
        attack = carlini_wagner(searches=5)
        return classified_as_second(task, attack, logit_difference, steps=5 * cw_steps, eight_bits=True)

    return {
        f"fgsm {epsilon:.4f}": Method("FGSM", one_step),
        f"pgd {radius} {steps}": Method("PGD", many_steps),
        f"adaptive {radius} {steps}": Method("PGD, adaptive", knowing),
        f"c-w {cw_steps}": Method("C&W", least),
        "k-a3": Method(f"{LEVEL}-A³", in_eight_bits, by_level=True),
    }


def reproduce_training(
    which: str, folder: Path, out: Path, *, count: int | None = None, trainings: Sequence[str] = ()
) -> str:
    """The table as Markdown; with its JSON, its plot and the networks it is written to `out`.

    which: of SETTINGS. folder: its photos. count: of test photos to attack; None: the setting's.
    trainings: of TRAININGS; none: all.

    Run again, it goes on where it was. Raises UsageError for what there is not, and without matplotlib.
    """
    check_installed({"matplotlib": "reproduce"})
    check_names("set of photos", [which], SETTINGS)
    check_names("training", trainings, TRAININGS)
    setting = SETTINGS[which]
    data = setting.table.read(folder)
    photos = data.test[sample(data.test, count or setting.count)]
    network = trained(setting.network, setting.table.networks[setting.network], data, out, note)
    start = Start(setting, data, out, note, network)
    rows = {name: _measured(start, name, photos) for name in trainings or TRAININGS}
    document = {
        "table": "training", "set": which, "network": setting.network, "test_photos": len(data.test),
        "attacked": len(photos), "epsilon": setting.epsilon, "radius": setting.radius, "steps": setting.pgd_steps,
        "cw_steps": setting.cw_steps, "likeness": setting.table.likeness[0], "rows": rows,
    }  # fmt: skip
    markdown = as_markdown(document)
    write_results(out, "training", document, markdown, {"training.svg": as_svg(plot(document))})
    return markdown


def _measured(start: Start, name: str, photos: Photos) -> dict[str, Any]:
    """A row of the document."""
    training, tests = TRAININGS[name], len(start.data.test)
    network = training.network(start)
    attacked = recognized_by(network, photos)
    checked = attacked[sample(attacked, CHECKED)]
    found = findings(undefended(network.network), checked.as_tensor(), torch.from_numpy(checked.labels))
    for finding in found:
        note(f"{training.title}: {finding}")
    target = Target(network.network, network.network, start.setting.table.likeness[1], network.sha256)
    methods, attacks = methods_of(start.setting), {}
    for key, method in methods.items():
        note(f"{training.title}: {method.title}")
        K = LEVEL if method.by_level else 1
        row = measure_row(target, attacked, key, K, methods=methods, experiment="training")
        attacks[method.title] = _summary(row)
    return {
        "title": training.title,
        "paper": training.paper,
        "accuracy": asdict(proportion(round(network.accuracy * tests), tests)),
        "n": len(attacked),
        "findings": [{**asdict(finding), "says": str(finding)} for finding in found],
        "attacks": attacks,
    }


def _summary(row: Row) -> dict[str, Any]:
    """Success and failure; L2 and likeness of the photos that succeeded, null if none did."""
    is_success, n = row.ranks > 1, len(row.ranks)
    lengths = np.sqrt(row.mse * row.published[0].size)
    return {
        "success": asdict(proportion(int(is_success.sum()), n)),
        "failed": asdict(proportion(int((~is_success).sum()), n)),
        "l2": float(lengths[is_success].mean()) if is_success.any() else None,
        "likeness": float(row.likeness[is_success].mean()) if is_success.any() else None,
        "gradients": float(row.evaluations.mean()),
    }
