"""The networks of the experiment: as trained (W), and fine-tuned under frozen SVDD units (W̃).

LC is a linear classifier on their features, SVDD the units.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses.m_svdd import Detector, folds_of, trimmed
from deid.defenses.svdd_units import Units, learned_units, squared_distances
from deid.experiments.kept import kept_arrays
from deid.experiments.tables.data import Data, Photos
from deid.experiments.tables.layers import classifier_of, last_layers, with_last
from deid.experiments.tables.training import Recipe, Trained, accuracy_of, trained
from deid.training.distill import Schedule

SEED = 0
HELD_OUT = 5  # of each class's training photos one in so many trims β, and teaches neither units nor fine-tuning
EPOCHS, BATCH, MOST_STEPS = 15, 64, 1500  # of the fine-tuning; where 15 epochs are more, it ends sooner
MUON_PEAK, ADAMW_PEAK = 1e-3, 1e-4
HEAD_STEPS, HEAD_BATCH, HEAD_RATE = 500, 1024, 1e-3


@dataclass(frozen=True, eq=False)
class Variants:
    """before: W-LC. after: W̃-LC. detectors: W̃-SVDD, by how β is chosen: O_c and O_d."""

    before: Trained
    after: Trained
    detectors: dict[str, Detector]


class Layer(nn.Module):
    """Frozen units as a network's last layer: features (N, D) → 1 − ‖φ(x) − center‖² / R², (N, C), rectified.

    As they are deployed, but with a slope that leaves those outside their order. Unrectified, cross-entropy goes on to
    push photos away from balls that they are outside of already, and with it out of their own.
    """

    def __init__(self, units: Units) -> None:
        super().__init__()
        for field in fields(Units):
            self.register_buffer(field.name, getattr(units, field.name))

    def forward(self, features: Tensor) -> Tensor:
        units = Units(*(getattr(self, field.name) for field in fields(Units)))
        return F.leaky_relu(1 - squared_distances(units, features))


def variants(name: str, recipe: Recipe, data: Data, folder: Path, log: Callable[[str], None]) -> Variants:
    """Trained where they do not lie in `folder` yet: NAME.safetensors and NAME-m-svdd.safetensors."""
    before = trained(name, recipe, data, folder, log)
    held_out = (folds_of(torch.from_numpy(data.train.labels), HELD_OUT) == 0).numpy()
    taught, trimming = data.train[~held_out], data.train[held_out]
    units = _units(before, taught)

    def build() -> nn.Module:
        network = deepcopy(before.network)
        last_layers(network).requires_grad_(True)[-1] = Layer(units)
        return network

    steps = min(MOST_STEPS, EPOCHS * len(taught) // BATCH)
    schedule = Schedule(steps, batch=BATCH, muon_peak=MUON_PEAK, adamw_peak=ADAMW_PEAK, seed=SEED)
    tuning = Recipe(build, schedule, recipe.augment, bfloat16=recipe.bfloat16, start=before.sha256)
    tuned = trained(f"{name}-m-svdd", tuning, Data(taught, data.test, data.classes), folder, log)
    after = _with_head(before, tuned, taught, data.test)
    classifier = classifier_of(after.network)
    distances = squared_distances(units, features_of(with_last(tuned.network, nn.Identity()), trimming))
    labels = torch.from_numpy(trimming.labels)
    return Variants(before, after, {
        "O_c": Detector(classifier, units, trimmed(distances, labels, "classification")),
        "O_d": Detector(classifier, units, trimmed(distances, labels, "defense")),
    })  # fmt: skip


@torch.no_grad()
def features_of(body: nn.Module, photos: Photos) -> Tensor:
    """(N, D), float32."""
    parts = np.array_split(np.arange(len(photos)), -(-len(photos) // BATCH))
    channels_last = torch.channels_last  # twice as fast on a CPU
    return torch.cat([body(photos[rows].as_tensor().contiguous(memory_format=channels_last)) for rows in parts])


def _units(network: Trained, photos: Photos) -> Units:
    def make() -> dict[str, np.ndarray]:
        features = features_of(with_last(network.network, nn.Identity()), photos)
        units = learned_units(features, torch.from_numpy(photos.labels), seed=SEED)
        return {field.name: getattr(units, field.name).numpy() for field in fields(Units)}

    made = kept_arrays("m_svdd", ["units", network.sha256, photos.digest, SEED], make)
    return Units(**{field.name: torch.from_numpy(made[field.name]) for field in fields(Units)})


def _with_head(before: Trained, tuned: Trained, photos: Photos, test: Photos) -> Trained:
    """W̃-LC: the linear classifier is taught anew on the fine-tuned features, from where it was."""
    head = deepcopy(last_layers(before.network)[-1])

    def make() -> dict[str, np.ndarray]:
        features = features_of(with_last(tuned.network, nn.Identity()), photos)
        _teach(head.requires_grad_(True), features, torch.from_numpy(photos.labels))
        return {name: value.detach().numpy() for name, value in head.named_parameters()}

    made = kept_arrays("m_svdd", ["head", tuned.sha256, photos.digest], make)
    head.load_state_dict({name: torch.from_numpy(value) for name, value in made.items()})
    network = with_last(tuned.network, head)
    return Trained(network, accuracy_of(network, test), f"{tuned.sha256} and a head")


def _teach(head: nn.Module, features: Tensor, labels: Tensor) -> None:
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.Adam(head.parameters(), lr=HEAD_RATE)
    for _ in range(HEAD_STEPS):
        rows = torch.randperm(len(features), generator=generator)[:HEAD_BATCH]
        optimizer.zero_grad()
        F.cross_entropy(head(features[rows]), labels[rows]).backward()
        optimizer.step()
