"""A guard against queries, measured: attacks that it notices in time, honest users it disturbs, who gets around it."""

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.intervals import median_interval, proportion
from deid.defenses.prediction_similarity import Settings
from deid.errors import UsageError, how_to_install
from deid.experiments.kept import kept_lines
from deid.experiments.similarity_adaptive import REPLAYED, STRATEGIES, Replayed, replayed
from deid.experiments.similarity_attempts import ATTACKS, NEEDS_FOOLBOX, Attempt, attempted
from deid.experiments.similarity_bursts import BURSTS, Burst, burst, burst_of_person, people_for
from deid.experiments.similarity_table import as_markdown, plot
from deid.experiments.tables.data import Data, Photos, sample
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Trained, trained
from deid.recognizers.checkpoints import load_recognizer
from deid.storage.atomic import write_atomically

REPLAYED_ATTACK = "hop-skip-jump"
RECOGNIZER = "lightcnn9"
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

    table: whose photos and network are attacked. folder: its photos.
    people: a folder a person (LFW), whose photos honest users ask about; None: no such rows.
    count: of photos to attack, and of people. queries: of an attack, at most.
    network: of the table's; none: its last but one where there are several, which is trained in minutes.
    attacks: of ATTACKS; none: all.

    Run again, it goes on where it was. Raises UsageError for what there is not, and without matplotlib or foolbox.
    """
    attacks = list(attacks or ATTACKS)
    _check(attacks, table, network)
    name = network or [*table.networks][-2 if len(table.networks) > 1 else -1]
    data = table.read(folder)
    classifier = trained(name, table.networks[name], data, out, _note)
    photos = _recognized(classifier, data.test, count)
    settings = Settings(response="alarm")
    document = {
        "table": table.name,
        "network": name,
        "accuracy": classifier.accuracy,
        "settings": asdict(settings),
        "queries": queries,
        "replayed": REPLAYED,
        "attempts": _attempts(classifier, photos, settings, queries, attacks),
        "adaptive": _adaptive(classifier, photos, settings, queries) if REPLAYED_ATTACK in attacks else {},
        "bursts": _bursts(classifier, data, people, count, settings),
    }
    markdown = as_markdown(document)
    for file, content in (
        ("similarity.json", json.dumps(document, indent=2).encode()),
        ("similarity.md", markdown.encode()),
        ("similarity.svg", plot(document)),
    ):
        write_atomically(content, out / file, overwrite=True)
    return markdown


def _attempts(
    classifier: Trained, photos: Photos, settings: Settings, queries: int, attacks: Sequence[str]
) -> dict[str, Any]:
    rows = {}
    for name in attacks:
        items = (
            (
                photo_key(photos, row),
                lambda row=row, name=name: _attempt(name, classifier, photos, row, settings, queries)[0],
            )
            for row in range(len(photos))
        )
        key = [name, classifier.sha256, asdict(settings), queries]
        lines = list(kept_lines("similarity", key, items, Attempt, _note))
        rows[ATTACKS[name][0]] = _of_attempts(lines)
    return rows


def _attempt(
    name: str, classifier: Trained, photos: Photos, row: int, settings: Settings, queries: int
) -> tuple[Attempt, Tensor]:
    """Of one photo; it starts, where an attack wants that, at the next photo of another class."""
    one, others = photos[np.array([row])], np.flatnonzero(photos.labels != photos.labels[row])
    start = photos[others[[np.searchsorted(others, row) % len(others)]]].as_tensor()
    label = torch.from_numpy(one.labels)
    return attempted(name, classifier.network, one.as_tensor(), label, start, settings, queries)


def _of_attempts(lines: Sequence[Attempt]) -> dict[str, Any]:
    n = len(lines)
    detected = [line for line in lines if line.alarm is not None]
    succeeded = [line.success for line in lines if line.success is not None]
    return {
        "n": n,
        "detected": vars(proportion(len(detected), n)),
        "until_alarm": vars(median_interval([line.alarm for line in detected if line.alarm is not None])),
        "latest_alarm": max((line.alarm for line in detected if line.alarm is not None), default=None),
        "by_falling": sum(line.reason == "falling confidence" for line in detected),
        "too_late": vars(proportion(sum(line.is_too_late for line in lines), n)),
        "succeeded": vars(proportion(len(succeeded), n)),
        "until_success": vars(median_interval(succeeded)),
        "confidence_lost": vars(median_interval([line.clean - line.least for line in lines])),
        "closest": vars(median_interval([line.closest for line in lines if line.closest is not None])),
        "alarms": sorted(line.alarm for line in detected if line.alarm is not None),
    }


def _adaptive(classifier: Trained, photos: Photos, settings: Settings, queries: int) -> dict[str, Any]:
    stream_of = cache(lambda row: _attempt(REPLAYED_ATTACK, classifier, photos, row, settings, queries))
    unrelated = photos.as_tensor()

    def measure(row: int, name: str) -> Replayed:
        attempt, stream = stream_of(row)
        others = unrelated[torch.from_numpy(photos.labels != photos.labels[row])]
        return replayed(classifier.network, stream, attempt.success, others, STRATEGIES[name], settings)

    rows = {}
    for name, strategy in STRATEGIES.items():
        items = ((photo_key(photos, row), partial(measure, row, name)) for row in range(len(photos)))
        key = [f"adaptive {name}", classifier.sha256, asdict(settings), queries, photos.digest]
        lines = list(kept_lines("similarity", key, items, Replayed, _note))
        alarms = [line.alarm for line in lines if line.alarm is not None]
        rows[strategy.title] = {
            "n": len(lines),
            "detected": vars(proportion(len(alarms), len(lines))),
            "until_alarm": vars(median_interval(alarms)),
        }
    return rows


def _bursts(classifier: Trained, data: Data, people: Path | None, count: int, settings: Settings) -> dict[str, Any]:
    size = settings.memory
    starts = range(0, len(data.test) - size + 1, size)[:count]
    order = np.random.default_rng(0).permutation(len(data.test))

    def of_the_set(at: int) -> Burst:
        return burst(classifier.network, data.test[order[at : at + size]].as_tensor(), settings)

    of_set = ((str(at), partial(of_the_set, at)) for at in starts)
    key = ["bursts", classifier.sha256, asdict(settings), data.test.digest]
    rows = {ONE_USER: _of_bursts(list(kept_lines("similarity", key, of_set, Burst, _note)))}
    if people is None:
        return rows
    recognizer = load_recognizer(RECOGNIZER)
    for kind, (title, _) in BURSTS.items():
        asked = (
            (person.name, partial(burst_of_person, kind, person, recognizer, settings))
            for person in people_for(kind, people, count)
        )
        key = [f"bursts {kind}", recognizer.sha256, asdict(settings)]
        rows[title] = _of_bursts(list(kept_lines("similarity", key, asked, Burst, _note)))
    return rows


def _of_bursts(lines: Sequence[Burst]) -> dict[str, Any]:
    return {
        "n": len(lines),
        "disturbed": vars(proportion(sum(line.alarms > 0 for line in lines), len(lines))),
        "queries": sum(line.queries for line in lines),
        "alarms": sum(line.alarms for line in lines),
    }


def photo_key(photos: Photos, row: int) -> str:
    """Of a photo and its class, whatever stands beside it."""
    return photos[np.array([row])].digest


def _recognized(classifier: Trained, photos: Photos, count: int) -> Photos:
    """`count` photos to attack, those left out that are not recognized when clean."""
    chosen = photos[sample(photos, count)]
    with torch.no_grad():
        answers = [classifier.network(part).argmax(1) for part in chosen.as_tensor().split(64)]
    recognized = chosen[torch.cat(answers).numpy() == chosen.labels]
    if len(set(recognized.labels.tolist())) < 2:
        raise UsageError("the network recognizes photos of no two classes when clean: nothing can be attacked")
    return recognized


def _check(attacks: Sequence[str], table: Table, network: str) -> None:
    for module, needed, extra in (
        ("matplotlib", True, "reproduce"),
        ("foolbox", any(name in NEEDS_FOOLBOX for name in attacks), "baselines"),
    ):
        if needed and importlib.util.find_spec(module) is None:
            raise UsageError(f"this needs {module}: {how_to_install(extra)}")
    checks: tuple[tuple[str, Sequence[str], Mapping[str, Any]], ...] = (
        ("attack", attacks, ATTACKS),
        ("network", [network] if network else [], table.networks),
    )
    for what, asked, there in checks:
        if unknown := [name for name in asked if name not in there]:
            raise UsageError(f"no {what} called {', '.join(unknown)}: there are {', '.join(there)}")


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
