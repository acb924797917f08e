"""M-SVDD-D as its paper measures it: accuracies of four networks, and what it makes of attacks that do not know it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.defenses.contract import Defended
from deid.defenses.m_svdd import quantized
from deid.defenses.outcomes import outcomes_of
from deid.experiments.cifar10 import CIFAR10
from deid.experiments.gtsrb import GTSRB
from deid.experiments.m_svdd.attacked import ROWS, Answers, answers_to, distances_of, title_of
from deid.experiments.m_svdd.networks import BATCH, Variants, variants
from deid.experiments.m_svdd.papers import PAPER, PaperNetwork
from deid.experiments.m_svdd.table import as_markdown, beta_plot
from deid.experiments.mnist import MNIST
from deid.experiments.results import check_installed, check_names, note, write_results
from deid.experiments.tables.data import Photos, sample
from deid.experiments.tables.pieces import Target
from deid.experiments.tables.reproduce import Rough, recognized_by
from deid.experiments.tables.table import Table
from deid.experiments.yale import YALE
from deid.recognizers.precision import has_bfloat16

BETAS = np.linspace(0.5, 1.5, 51)  # of the plot


@dataclass(frozen=True)
class Setting:
    """count: test photos to attack; rows: of ROWS: what takes an hour on two cores."""

    table: Table
    count: int
    rows: Sequence[str]


SETTINGS: Mapping[str, Setting] = {
    "yale": Setting(YALE, 38, tuple(ROWS)),
    "mnist": Setting(MNIST, 200, tuple(ROWS)),
    "cifar10": Setting(CIFAR10, 100, ("deepfool", "5-a3", "adaptive")),
    "gtsrb": Setting(GTSRB, 86, ("deepfool", "5-a3", "adaptive")),
}


def reproduce_m_svdd(name: str, folder: Path, out: Path, *, count: int | None = None, rows: Sequence[str] = ()) -> str:
    """The table as Markdown; it is written to `out` as m-svdd-NAME.md and .json, and m-svdd-NAME.svg against β.

    name: of SETTINGS. folder: its photos. count: of test photos to attack; None: as the setting says.
    rows: of ROWS; none: the setting's.

    Run again, it goes on where it was. Raises UsageError for what there is not, and without matplotlib.
    """
    check_installed({"matplotlib": "reproduce"})
    check_names("table", [name], SETTINGS)
    check_names("attack", rows, ROWS)
    setting, table = SETTINGS[name], SETTINGS[name].table
    data = table.read(folder)
    document: dict[str, Any] = {"table": name, "test_photos": len(data.test), "networks": {}}
    for network, paper in PAPER[name].items():
        four = variants(network, table.networks[network], data, out, note)
        photos = recognized_by(four.after, data.test[sample(data.test, count or setting.count)])
        rough = Rough(four.after.network) if table.bfloat16 and has_bfloat16("cpu") else four.after.network
        target = Target(four.after.network, rough, table.likeness[1], four.after.sha256)
        attacked = {}
        for row in rows or setting.rows:
            note(f"{network}: {title_of(row)}")
            attacked[row] = answers_to(row, target, four.detectors["O_d"], photos)
        document["networks"][network] = _summary(four, data.test, photos, attacked, paper)
    markdown = as_markdown(document, PAPER[name], table.likeness[0])
    write_results(out, f"m-svdd-{name}", document, markdown, {f"m-svdd-{name}.svg": beta_plot(document)})
    return markdown


def _summary(
    four: Variants, test: Photos, photos: Photos, attacked: Mapping[str, Answers], paper: PaperNetwork
) -> dict[str, Any]:
    """Of one network, as it is written to the JSON."""
    one_for_all = {f"β = {beta:g}": torch.full((four.detectors["O_c"].betas.shape), beta) for beta in paper.betas}
    choices = one_for_all | {name: detector.betas for name, detector in four.detectors.items()}
    clean = _distances(four, test)
    of_test, of_photos = torch.from_numpy(test.labels), torch.from_numpy(photos.labels)
    return {
        "accuracies": {"W-LC": four.before.accuracy, "W̃-LC": four.after.accuracy},
        "betas": {name: betas.tolist() for name, betas in choices.items()},
        "clean": {name: _outcomes(clean, of_test, betas) for name, betas in choices.items()},
        "rows": {
            row: {
                "title": title_of(row),
                "n": len(photos),
                "likeness": float(answers.likeness.mean()),
                "mse": float(answers.mse.mean()),
                "in_float": {
                    name: _outcomes(torch.from_numpy(answers.in_float), of_photos, betas)
                    for name, betas in choices.items()
                },
                "at_8_bits": {
                    name: _outcomes(torch.from_numpy(answers.distances), of_photos, betas)
                    for name, betas in choices.items()
                },
                "against_beta": {
                    f"{beta:.2f}": [
                        share["value"]
                        for share in _outcomes(
                            torch.from_numpy(answers.in_float), of_photos, torch.tensor(beta)
                        ).values()
                    ]
                    for beta in BETAS
                },
            }
            for row, answers in attacked.items()
        },
    }


def _outcomes(distances: Tensor, labels: Tensor, betas: Tensor) -> dict[str, dict[str, Any]]:
    """Success, failed and detected; of clean photos failed is right, and detected a false alarm."""
    answers = Defended(quantized).answers((betas - distances).float())
    return {name: vars(estimate) for name, estimate in vars(outcomes_of(answers, labels)).items()}


def _distances(four: Variants, photos: Photos) -> Tensor:
    parts = np.array_split(np.arange(len(photos)), -(-len(photos) // BATCH))
    return torch.cat([distances_of(four.detectors["O_c"], photos[rows].as_tensor()) for rows in parts])
