"""Dimensionality reduction as a defense: the study's shares (Echeberria-Barrio and others, 2021) on other photos.

Its photos were of breast tissue, which are not at hand. Adversarial examples of a network are given to it behind each
defense; then new ones are made against the defended network itself, by an adversary who knows all of it.
"""

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses import reduction
from deid.defenses.contract import Classifier, Defended, Fit
from deid.errors import UsageError, how_to_install
from deid.experiments.cifar10 import CIFAR10
from deid.experiments.reduction.examples import Examples, Subject, attacks, least_examples, moved
from deid.experiments.reduction.summary import summary_of
from deid.experiments.reduction.table import as_markdown, plot
from deid.experiments.tables.data import SEED, Data, Photos, sample
from deid.experiments.tables.networks import FaceClassifier
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Recipe, Trained, trained
from deid.experiments.yale import YALE
from deid.storage.atomic import write_atomically
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
    for package, extra in (("foolbox", "baselines"), ("matplotlib", "reproduce")):
        if importlib.util.find_spec(package) is None:
            raise UsageError(f"this needs {package}: {how_to_install(extra)}")
    data = table.read(folder)
    name, recipe = next(iter(table.networks.items()))
    network = trained(name, recipe, data, out, _note)
    undefended = _network_subject(network)
    clean = data.test[sample(data.test, CLEAN)]
    photos = data.test if count is None else data.test[sample(data.test, count)]
    photos = photos[undefended.answers(photos) == photos.labels]
    if not len(photos):
        raise UsageError("the network recognizes none of the photos when clean: nothing can be attacked")
    known = {}
    for attack in attacks():
        _note(f"{table.name}: {attack} against {name}")
        known[attack] = least_examples(undefended, photos, attack)
    subjects = _defended(table, name, recipe, network, data, out)
    new: dict[str, Examples] = {}
    for title, subject in subjects.items():
        _note(f"{table.name}: new examples against it, {title}")
        new[title] = least_examples(subject, photos, WHITE_BOX)
    document = {
        "table": table.name,
        "network": name,
        "photos": len(photos),
        **summary_of(undefended, subjects, photos, clean, known, new),
    }
    markdown = as_markdown(document)
    for file, content in (
        (f"reduction-{table.name}.json", json.dumps(document, indent=2).encode()),
        (f"reduction-{table.name}.md", markdown.encode()),
        (f"reduction-{table.name}.svg", plot(document)),
    ):
        write_atomically(content, out / file, overwrite=True)
    return markdown


def _defended(table: Table, name: str, recipe: Recipe, network: Trained, data: Data, out: Path) -> dict[str, Subject]:
    """The network behind each variant, and the network trained further, on adversarial examples of its own as well."""
    learned = data.train[sample(data.train, LEARNED)]
    subjects = {}
    for title, fit in VARIANTS.items():
        make = partial(_fitted, title, fit, network.network, learned)
        subjects[title] = Subject(f"{network.sha256} {title} {learned.digest}", make)
    attacked = data.train[sample(data.train, max(1, ATTACKED_PIXELS // data.train.pixels[0, 0].size))]
    _note(f"{table.name}: {len(attacked)} examples to train on")
    examples = moved(_network_subject(network), attacked, steps=ATTACKED_STEPS)
    both = Photos(
        np.concatenate([data.train.pixels, examples.pixels]), np.concatenate([data.train.labels, examples.labels])
    )
    again = trained(
        f"{name}-retrained",
        Recipe(partial(_taken_over, recipe, network), RETRAINING, recipe.augment, bfloat16=recipe.bfloat16),
        Data(both, data.test, data.classes),
        out,
        _note,
    )
    return subjects | {RETRAINED: _network_subject(again)}


def _taken_over(recipe: Recipe, network: Trained) -> nn.Module:
    """A network to be trained further."""
    again = recipe.build()
    again.load_state_dict(network.network.state_dict())
    return again


def _fitted(title: str, fit: Fit, network: nn.Module, photos: Photos) -> Defended:
    _note(f"{title}: learns from {len(photos)} photos")
    return fit(classifier_of(network), photos.as_tensor(), torch.from_numpy(photos.labels), seed=SEED)


def _network_subject(network: Trained) -> Subject:
    classifier = classifier_of(network.network)
    return Subject(
        network.sha256, lambda: Defended(lambda photos: F.pad(classifier.logits(photos), (0, 1), value=-torch.inf))
    )


def classifier_of(network: nn.Module) -> Classifier:
    """A network of the tables as defenses see it: its last layer is linear, and its features go into that one."""
    part = network.upper if isinstance(network, FaceClassifier) else network
    if not isinstance(part, nn.Sequential) or not isinstance(part[-1], nn.Linear):
        raise TypeError("the last layer of a table's network is linear")
    before = nn.Sequential(network.lower, part[:-1]) if isinstance(network, FaceClassifier) else part[:-1]
    return Classifier(_channels_last(network), lambda photos: (_channels_last(before)(photos),))


def _channels_last(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """A CPU convolves such a batch about twice as fast."""
    return lambda photos: network(photos.contiguous(memory_format=torch.channels_last)).float()


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
