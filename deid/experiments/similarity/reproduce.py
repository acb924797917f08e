"""A guard against queries, measured: attacks that it notices in time, honest users it disturbs, who gets around it."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.defenses.prediction_similarity import Settings
from deid.errors import UsageError
from deid.experiments.kept import kept_lines
from deid.experiments.results import check_installed, check_names, note, write_results
from deid.experiments.similarity.adaptive import REPLAYED, STRATEGIES, Replayed, first_alarm
from deid.experiments.similarity.attempts import ATTACKS, NEEDS_FOOLBOX, Asking, Attempt, attempted
from deid.experiments.similarity.bursts import BURSTS, Burst, burst, burst_of_person, people_for
from deid.experiments.similarity.figures import of_attempts, of_bursts, of_strategies
from deid.experiments.similarity.table import as_markdown, plot
from deid.experiments.tables.data import SEED, Photos, sample
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Trained, trained
from deid.recognizers.checkpoints import load_recognizer

REPLAYED_ATTACK = "hop-skip-jump"
UNRELATED = 500
RECOGNIZER = "lightcnn9"
NETWORK = {"mnist": "LeNet-5", "cifar10": "MobileNetV2", "yale": "LightCNN-9"}
# Root mean square of a change, up to which a photo looks the same: digits are read through more noise.
RADIUS = {"mnist": 0.1, "cifar10": 0.05, "yale": 0.05}
ONE_USER = "each test photo once, as many as are remembered"


def reproduce_similarity(
    table: Table,
    folder: Path,
    out: Path,
    *,
    people: Path | None,
    count: int,
    queries: int,
    network: str = "",
    attacks: Sequence[str] = (),
) -> str:
    """The tables as Markdown; with their JSON and a plot they are written to `out`, as is the network.

    table: of NETWORK, whose photos and network are attacked. folder: its photos.
    people: a folder a person (LFW), whose photos honest users ask about; None: no such rows.
    count: of photos to attack, and of people. queries: of an attack, at most.
    network: of the table's; none: that of NETWORK.
    attacks: of ATTACKS; none: all.

    Run again, it goes on where it was. Raises UsageError for what there is not, and without matplotlib or foolbox.
    """
    attacks = list(attacks or ATTACKS)
    boxes = {"foolbox": "baselines"} if any(name in NEEDS_FOOLBOX for name in attacks) else {}
    check_installed({"matplotlib": "reproduce", **boxes})
    check_names("attack", attacks, ATTACKS)
    check_names("network", [network] if network else [], table.networks)
    name = network or NETWORK[table.name]
    data = table.read(folder)
    classifier = trained(name, table.networks[name], data, out, note)
    photos = _recognized(classifier, data.test, count)
    settings, radius = Settings(response="alarm"), RADIUS[table.name]
    asking = Asking(classifier.network, settings, queries, radius)
    key = [classifier.sha256, asdict(settings), queries, radius]
    document = {
        "table": table.name,
        "network": name,
        "accuracy": classifier.accuracy,
        "settings": asdict(settings),
        "queries": queries,
        "radius": radius,
        "replayed": REPLAYED,
        "attempts": _attempts(asking, photos, attacks, key),
        "adaptive": _adaptive(asking, photos, data.test, key) if REPLAYED_ATTACK in attacks else {},
        "bursts": _bursts(classifier, data.test, people, count, settings),
    }
    markdown = as_markdown(document)
    write_results(out, "similarity", document, markdown, {"similarity.svg": plot(document)})
    return markdown


def _attempts(asking: Asking, photos: Photos, attacks: Sequence[str], key: list[Any]) -> dict[str, Any]:
    """Title of an attack → its figures. key: what they depend on beside the code and the photos."""

    def measure(name: str, row: int) -> Attempt:
        return attempted(name, asking, *_task(photos, row))[0]

    rows = {}
    for name in attacks:
        items = ((_key(photos, row), partial(measure, name, row)) for row in range(len(photos)))
        rows[ATTACKS[name][0]] = of_attempts(list(kept_lines("similarity", [name, *key], items, Attempt, note)))
    return rows


def _adaptive(asking: Asking, photos: Photos, all_photos: Photos, key: list[Any]) -> dict[str, Any]:
    """Title of a strategy → its figures. all_photos: of which UNRELATED are asked in between."""
    unrelated = all_photos[sample(all_photos, UNRELATED)]

    def measure(row: int) -> Replayed:
        attempt, stream = attempted(REPLAYED_ATTACK, asking, *_task(photos, row))
        others = unrelated[unrelated.labels != photos.labels[row]].as_tensor()
        alarms = {
            name: first_alarm(asking.network, stream, others, strategy, asking.settings)
            for name, strategy in STRATEGIES.items()
        }
        return Replayed(attempt.success, alarms)

    items = ((_key(photos, row), partial(measure, row)) for row in range(len(photos)))
    return of_strategies(list(kept_lines("similarity", ["adaptive", *key], items, Replayed, note)))


def _bursts(classifier: Trained, photos: Photos, people: Path | None, count: int, settings: Settings) -> dict[str, Any]:
    """Title of a kind of honest users → their figures. photos: of the table, none twice."""
    size, order = settings.memory, np.random.default_rng(SEED).permutation(len(photos))

    def of_the_set(at: int) -> Burst:
        return burst(classifier.network, photos[order[at : at + size]].as_tensor(), settings)

    asked = ((str(at), partial(of_the_set, at)) for at in range(0, len(photos) - size + 1, size)[:count])
    key = ["the set", classifier.sha256, asdict(settings), photos.digest]
    rows = {ONE_USER: of_bursts(list(kept_lines("similarity", key, asked, Burst, note)))}
    if people is None:
        return rows
    recognizer = load_recognizer(RECOGNIZER)
    for kind, (title, _) in BURSTS.items():
        of_people = (
            (person.name, partial(burst_of_person, kind, person, recognizer, settings))
            for person in people_for(kind, people, count)
        )
        key = [kind, recognizer.sha256, asdict(settings), str(people.resolve())]
        rows[title] = of_bursts(list(kept_lines("similarity", key, of_people, Burst, note)))
    return rows


def _task(photos: Photos, row: int) -> tuple[Tensor, Tensor, Tensor]:
    """A photo (1, C, H, W), its label (1,), and where an attack starts that wants a photo of another class."""
    one, start = photos[np.array([row])], photos[np.array([_start(photos, row)])]
    return one.as_tensor(), torch.from_numpy(one.labels), start.as_tensor()


def _start(photos: Photos, row: int) -> int:
    """The next photo of another class."""
    others = np.flatnonzero(photos.labels != photos.labels[row])
    return int(others[np.searchsorted(others, row) % len(others)])


def _key(photos: Photos, row: int) -> str:
    """Of what an attempt is made from, whatever else is in the sample."""
    return photos[np.array([row, _start(photos, row)])].digest


def _recognized(classifier: Trained, photos: Photos, count: int) -> Photos:
    """`count` photos to attack, those left out that are not recognized when clean."""
    chosen = photos[sample(photos, count)]
    with torch.no_grad():
        answers = [classifier.network(part).argmax(1) for part in chosen.as_tensor().split(64)]
    recognized = chosen[torch.cat(answers).numpy() == chosen.labels]
    if len(set(recognized.labels.tolist())) < 2:
        raise UsageError("the network recognizes photos of no two classes when clean: nothing can be attacked")
    return recognized
