"""Dimensionality reduction as a defense: the study's shares (Echeberria-Barrio and others, 2021) on other photos.

Its photos were of breast tissue, which are not at hand. Adversarial examples of a network are given to it behind each
defense; then new ones are made against the defended network itself, by an adversary who knows all of it.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from deid.defenses import reduction
from deid.defenses.contract import Defended, Fit
from deid.defenses.undefended import undefended
from deid.errors import UsageError
from deid.experiments.cifar10 import CIFAR10
from deid.experiments.reduction.examples import Examples, Subject, attacks, least_examples, moved
from deid.experiments.reduction.summary import summary_of
from deid.experiments.reduction.table import as_markdown, plot
from deid.experiments.results import check_installed, note, write_results
from deid.experiments.tables.data import SEED, Data, Photos, sample
from deid.experiments.tables.layers import classifier_of
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Recipe, Trained, trained
from deid.experiments.yale import YALE
from deid.training.distill import Schedule

TABLES: Mapping[str, Table] = {"yale": YALE, "cifar10": CIFAR10}
VARIANTS: Mapping[str, Fit] = {
    "initial": reduction.before_network,
    "middle": reduction.on_features,
    "encoder": reduction.encoder_and_head,
}
RETRAINED = "adversarial training"
WHITE_BOX = "PGD"  # against the defended networks themselves
LEARNED = 2000  # photos that the autoencoders learn from
CLEAN = 1000  # photos to test on, that accuracy and false alarms are of
ATTACKED_PIXELS = 12_000_000  # of the photos that examples to train on are made of
ATTACKED_STEPS = 5
RETRAINING = Schedule(600, muon_peak=0.005, adamw_peak=1e-3)


def reproduce_reduction(table: Table, folder: Path, out: Path, *, count: int | None) -> str:
    """The table as Markdown; with its JSON and its plot it is written to `out`, as are the networks.

    folder: the photos, as `table.read` takes them. count: of photos to test on, to attack; None: all.

    Run again, it goes on where it was. Raises UsageError without foolbox or matplotlib.
    """
    check_installed({"foolbox": "baselines", "matplotlib": "reproduce"})
    data = table.read(folder)
    name, recipe = next(iter(table.networks.items()))
    network = trained(name, recipe, data, out, note)
    bare = _network_subject(network)
    clean = data.test[sample(data.test, CLEAN)]
    photos = data.test if count is None else data.test[sample(data.test, count)]
    photos = photos[bare.answers(photos) == photos.labels]
    if not len(photos):
        raise UsageError("the network recognizes none of the photos when clean: nothing can be attacked")
    known = {}
    for attack in attacks():
        note(f"{table.name}: {attack} against {name}")
        known[attack] = least_examples(bare, photos, attack)
    subjects = _defended(table, name, recipe, network, data, out)
    new: dict[str, Examples] = {}
    for title, subject in subjects.items():
        note(f"{table.name}: new examples against it, {title}")
        new[title] = least_examples(subject, photos, WHITE_BOX)
    document = {
        "table": table.name,
        "network": name,
        "photos": len(photos),
        **summary_of(bare, subjects, photos, clean, known, new),
    }
    markdown = as_markdown(document)
    write_results(out, f"reduction-{table.name}", document, markdown, {f"reduction-{table.name}.svg": plot(document)})
    return markdown


def _defended(table: Table, name: str, recipe: Recipe, network: Trained, data: Data, out: Path) -> dict[str, Subject]:
    """The network behind each variant, and the network trained further, on adversarial examples of its own as well."""
    learned = data.train[sample(data.train, LEARNED)]
    subjects = {}
    for title, fit in VARIANTS.items():
        make = partial(_fitted, title, fit, network.network, learned)
        subjects[title] = Subject(f"{network.sha256} {title} {learned.digest}", make)
    attacked = data.train[sample(data.train, max(1, ATTACKED_PIXELS // data.train.pixels[0, 0].size))]
    note(f"{table.name}: {len(attacked)} examples to train on")
    examples = moved(_network_subject(network), attacked, steps=ATTACKED_STEPS)
    both = Photos(
        np.concatenate([data.train.pixels, examples.pixels]), np.concatenate([data.train.labels, examples.labels])
    )
    again = trained(
        f"{name}-retrained",
        Recipe(partial(_taken_over, recipe, network), RETRAINING, recipe.augment, bfloat16=recipe.bfloat16),
        Data(both, data.test, data.classes),
        out,
        note,
    )
    return subjects | {RETRAINED: _network_subject(again)}


def _taken_over(recipe: Recipe, network: Trained) -> nn.Module:
    """A network to be trained further."""
    again = recipe.build()
    again.load_state_dict(network.network.state_dict())
    return again


def _fitted(title: str, fit: Fit, network: nn.Module, photos: Photos) -> Defended:
    note(f"{title}: learns from {len(photos)} photos")
    return fit(classifier_of(network), photos.as_tensor(), torch.from_numpy(photos.labels), seed=SEED)


def _network_subject(network: Trained) -> Subject:
    classifier = classifier_of(network.network)
    return Subject(network.sha256, lambda: undefended(classifier.logits))
