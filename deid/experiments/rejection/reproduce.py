"""Security-evaluation curves of networks that reject, under an adversary who knows that they do (Thanthulage's study).

Systems: the network, NR and DNR on it, and both learned again from what the attack on them has found beside the clean
photos; the network stays as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from deid.defenses.contract import Classifier
from deid.experiments.rejection.curves import Bench, curves_of, split_test
from deid.experiments.rejection.networks import FourConvolutions, digit_classifier, face_classifier
from deid.experiments.rejection.table import as_markdown, curves_plot
from deid.experiments.results import check_installed, note, write_results
from deid.experiments.tables.data import Data, read_mnist, read_yale
from deid.experiments.tables.training import Recipe, trained
from deid.experiments.yale import YALE
from deid.training.distill import Schedule

REPEATS = 3


@dataclass(frozen=True)
class Study:
    """read, recipe: as in a table. network: its name, and its file's.

    classifier: the trained network, with its layers.
    sample: test photos to attack in each repeat, by default. found: training photos to attack, to learn again from.
    """

    name: str
    read: Callable[[Path], Data]
    network: str
    recipe: Recipe
    classifier: Callable[[nn.Module], Classifier]
    sample: int
    found: int


STUDIES: Mapping[str, Study] = {
    # 1,000 batches of 128 are 16 epochs of the 8,000 photos that four fifths of MNIST's test part are; the study: 50.
    "mnist": Study(
        "mnist", read_mnist, "four-convolutions", Recipe(FourConvolutions, Schedule(1000, batch=128)),
        digit_classifier, 200, 300,
    ),
    "yale": Study("yale", read_yale, "LightCNN-9", YALE.networks["LightCNN-9"], face_classifier, 38, 38),
}  # fmt: skip


def reproduce_rejection(study: Study, folder: Path, out: Path, *, sample: int | None, repeats: int = REPEATS) -> str:
    """The table as Markdown; with its JSON, its plot and the network it is written to `out`.

    folder: the photos, as `study.read` takes them.
    sample: test photos to attack in each repeat, others each time; None: all, spread over the repeats.

    Run again, it goes on where it was. Raises UsageError for more photos than there are, and without matplotlib or
    scikit-learn.
    """
    check_installed({"matplotlib": "reproduce", "sklearn": "defenses"})
    data = study.read(folder)
    attacked, clean = split_test(data.test, sample, repeats)
    network = trained(study.network, study.recipe, data, out, note)
    bench = Bench(study.classifier(network.network), network.sha256, data.train, study.found, data.test[clean])
    document: dict[str, Any] = {
        "study": study.name,
        "network": study.network,
        "accuracy": network.accuracy,
        "test_photos": len(data.test),
        "calibrating_photos": len(clean),
        "repeats": repeats,
        **curves_of(bench, [data.test[rows] for rows in attacked], note),
    }
    markdown = as_markdown(document)
    name = f"rejection-{study.name}"
    write_results(out, name, document, markdown, {f"{name}.svg": curves_plot(document)})
    return markdown
