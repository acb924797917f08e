"""The networks of `deid reproduce training`: each goes on from the undefended one, trained as its defense has it."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from deid.attacks.pgd import pgd_l2
from deid.defenses.adversarial_training import FGS, found_examples
from deid.defenses.distillation import AtTemperature, FromTeacher
from deid.defenses.prototype_conformity import Conforming, PrototypeConformity
from deid.experiments.kept import kept_arrays
from deid.experiments.tables.data import SEED, Data, Photos, sample
from deid.experiments.tables.networks import FaceClassifier
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Log, Trained, trained
from deid.training.distill import Schedule

TEMPERATURE = 100.0  # the highest of Papernot and others, 2016
CONFORMITY = 0.1  # the weight of prototype conformity beside cross-entropy
FOUND_BATCH, FOUND_STEPS = 64, 40


@dataclass(frozen=True)
class Setting:
    """A set of photos, its network, and how large everything is.

    table: where its photos and its undefended network come from. network: of the table's.
    epsilon: of FGS and FGSM, of every pixel's change. radius: of PGD, and of the adversary of PGD training; L2.
    schedule: of the defended networks, but for
    adversarial: that of those whose photos are moved at every step, which takes two to eight times as long.
    found: training photos that are attacked for retraining.
    count: test photos that are attacked, unless it is said.
    pgd_steps: of PGD. cw_steps: of C&W, for each of its five searches.
    """

    table: Table
    network: str
    epsilon: float
    radius: float
    schedule: Schedule
    adversarial: Schedule
    found: int
    count: int
    pgd_steps: int
    cw_steps: int


@dataclass(frozen=True, eq=False)
class Start:
    """What the defended networks go on from. data: all photos; folder: of the networks; undefended: the network."""

    setting: Setting
    data: Data
    folder: Path
    log: Log
    undefended: Trained

    def going_on(
        self, name: str, *, of: Callable[[], nn.Module] | None = None, data: Data | None = None, **changes: Any
    ) -> Trained:
        """The undefended network trained on, with these changes of its recipe. of, data: what is trained, and on what;
        None: a copy of it, on all photos.
        """
        setting = self.setting
        usual: dict[str, Any] = {
            "build": of or self.copy,
            "schedule": setting.schedule,
            "start": self.undefended.sha256,
        }
        recipe = replace(setting.table.networks[setting.network], **(usual | changes))
        return trained(f"{setting.network}-{name}", recipe, data or self.data, self.folder, self.log)

    def copy(self) -> nn.Module:
        """The undefended network, its weights free to be trained, but for those that never are."""
        network = copy.deepcopy(self.undefended.network)
        trained_part(network).requires_grad_(True)
        return network

    def with_prototypes(self) -> nn.Module:
        """As `copy`, the part that is trained in two, with prototypes."""
        network = self.copy()
        part = trained_part(network)
        if not isinstance(part, nn.Sequential) or not isinstance(part[-1], nn.Linear):
            raise TypeError("prototypes stand before a last linear layer")
        conforming = Conforming(part[:-1], part[-1])
        if not isinstance(network, FaceClassifier):
            return conforming
        network.upper = conforming
        return network


def trained_part(network: nn.Module) -> nn.Module:
    return network.upper if isinstance(network, FaceClassifier) else network


def fgs(start: Start) -> Trained:
    setting = start.setting
    return start.going_on("fgs", loss=FGS(setting.epsilon), schedule=setting.adversarial, on_photos=True)


def pgd(start: Start) -> Trained:
    setting = start.setting
    return start.going_on("pgd", radius=setting.radius, schedule=setting.adversarial, on_photos=True)


def retrained(start: Start) -> Trained:
    """On all training photos and those that PGD finds among some of them, whose adversary knows the network."""
    setting, train = start.setting, start.data.train
    attacked = train[sample(train, setting.found)]
    found = []
    for at in range(0, len(attacked), FOUND_BATCH):
        piece = attacked[np.arange(at, min(at + FOUND_BATCH, len(attacked)))]
        key = ["found", start.undefended.sha256, setting.radius, piece.digest]
        found.append(kept_arrays("training", key, partial(_find, start, piece)))
    photos = Photos(
        np.concatenate([train.pixels, *(piece["pixels"] for piece in found)]),
        np.concatenate([train.labels, *(piece["labels"] for piece in found)]),
    )
    return start.going_on("retrained", data=replace(start.data, train=photos))


def conforming(start: Start) -> Trained:
    """The undefended network has been trained with cross-entropy alone, as the paper's are at first."""
    return start.going_on("prototypes", of=start.with_prototypes, loss=PrototypeConformity(CONFORMITY))


def distilled(start: Start) -> Trained:
    teacher = start.going_on("teacher", loss=AtTemperature(TEMPERATURE))
    said = FromTeacher(TEMPERATURE, teacher.sha256, trained_part(teacher.network))
    return start.going_on("distilled", loss=said)


@dataclass(frozen=True)
class Training:
    """title: in the table; paper: where it is from; network: how it is come by."""

    title: str
    paper: str
    network: Callable[[Start], Trained]


TRAININGS: Mapping[str, Training] = {
    "undefended": Training("undefended", "", lambda start: start.undefended),
    "fgs": Training("FGS objective", "Goodfellow, Shlens, Szegedy, ICLR 2015", fgs),
    "pgd": Training("PGD training", "Madry and others, ICLR 2018", pgd),
    "retraining": Training("retraining on found examples", "Szegedy and others, ICLR 2014", retrained),
    "prototypes": Training("prototype conformity", "Mustafa and others, ICCV 2019", conforming),
    "distillation": Training("defensive distillation", "Papernot and others, S&P 2016", distilled),
}


def _find(start: Start, photos: Photos) -> dict[str, np.ndarray]:
    found, labels = found_examples(
        start.undefended.network,
        photos.as_tensor(),
        torch.from_numpy(photos.labels),
        pgd_l2(radius=start.setting.radius),
        steps=FOUND_STEPS,
        seed=SEED,
    )
    return {"pixels": (found * 255).round().to(torch.uint8).numpy(), "labels": labels.numpy()}
