"""How far protection carries: other recognizers, with another photo of the person, before and after handling.

Beside the profiles stand blur and mosaic, what people would use instead: a profile is worth its noise where it hides
more at the same SSIM.
"""

import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest

from deid.anonymity.intervals import Estimate, median_interval, proportion
from deid.errors import UsageError, how_to_install
from deid.experiments.kept import kept_arrays, kept_lines, profile_key
from deid.experiments.transfer_people import Person, gallery_of_others, measured_people, threshold_of
from deid.experiments.transfer_photo import HANDLED, SEARCHED, Transferred, measure_transfer
from deid.experiments.transfer_table import MEDIANS, as_table, plot
from deid.methods import is_obfuscation
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.recognizers.checkpoints import Entry, load_recognizer, manifest
from deid.recognizers.kinship import class_of
from deid.storage.atomic import write_atomically
from deid.types import Options

SURROGATES = (Options().recognizer, *PROFILES["stranger"].further_surrogates)
# Surrogates left out to see how far the others carry: each, and LightCNN-9's teachers together with it.
LEFT_OUT = (
    *((name,) for name in SURROGATES),
    ("dlib-resnet", "lightcnn9"),
    ("mobilenet-vggface2", "lightcnn9"),
)
# The name of a row → what protects there.
METHODS: dict[str, dict[str, Any]] = {
    "stranger": {},
    **{f"stranger, strength {strength:g}": {"strength": strength} for strength in (0.0, 0.25, 0.75, 1.0)},
    **{f"stranger without {' and '.join(names)}": {"without": names} for names in LEFT_OUT},
    "paper": {"profile": "paper"},
    **{f"blur {size:g}": {"profile": "paper", "method": "blur", "blur_size": size} for size in (2.0, 4.0, 6.0)},
    **{f"mosaic {size:g}": {"profile": "paper", "method": "pixelate", "blur_size": size} for size in (6.0, 10.0)},
}
# Without a choice.
USUAL = ("stranger", *(name for name in METHODS if name.startswith(("blur", "mosaic"))))
GALLERY_SIZE = 1000  # people who are none of those measured, a photo each


def reproduce_transfer(people: Path, out: Path, *, count: int, methods: Sequence[str], device: str) -> str:
    """The table as Markdown; with its JSON and its plot it is written to `out`. people: a folder a person (LFW).

    methods: of METHODS. Raises UsageError for another one, and without matplotlib and flip-evaluator.
    """
    if missing := [name for name in ("matplotlib", "flip_evaluator") if importlib.util.find_spec(name) is None]:
        raise UsageError(f"this needs {' and '.join(missing)}: {how_to_install('reproduce')}")
    if unknown := set(methods) - METHODS.keys():
        raise UsageError(f"no method called {', '.join(sorted(unknown))}: there are {', '.join(METHODS)}")
    document = _measure(people, count, {name: protector_for(device, **METHODS[name]) for name in methods})
    table = as_table(document)
    write_atomically(json.dumps(document, indent=2).encode(), out / "transfer.json", overwrite=True)
    write_atomically(table.encode(), out / "transfer.md", overwrite=True)
    write_atomically(plot(document), out / "transfer.svg", overwrite=True)
    return table


def protector_for(device: str, *, without: Sequence[str] = (), **options: Any) -> Protector:
    """What protects in a row of METHODS. without: of SURROGATES; options: of `Options`."""
    if not without:
        return load_protector(Options(device=device, write_unverified=True, **options))
    first, *further = (name for name in SURROGATES if name not in without)
    return load_protector(Options(device=device, write_unverified=True, recognizer=first, **options), further=further)


def _measure(folder: Path, count: int, protectors: Mapping[str, Protector]) -> dict[str, Any]:
    """The document that is written to transfer.json. protectors: the name of a row → what protects there."""
    entries = {name: entry for name, entry in manifest().items() if entry.path.is_file()}
    recognizers = [load_recognizer(name, next(iter(protectors.values())).device) for name in entries]
    people = measured_people(folder, count, recognizers)
    thresholds = {name: threshold_of(people, name) for name in entries}
    weights = sorted(entry.sha256 for entry in entries.values())
    make_gallery = partial(gallery_of_others, folder, GALLERY_SIZE, recognizers)
    gallery_key = ["gallery", GALLERY_SIZE, str(folder.resolve()), weights]
    gallery = cache(partial(kept_arrays, "transfer", gallery_key, make_gallery))
    rows = []
    for method, protector in protectors.items():
        items = (
            (person.photo.name, partial(measure_transfer, person, 2 + row % 5, protector, recognizers, gallery))
            for row, person in enumerate(people)
        )
        settings = [method, GALLERY_SIZE, profile_key(protector.options.profile), weights]
        lines = list(kept_lines("transfer", settings, items, Transferred, lambda text: print(text, file=sys.stderr)))
        rows.append({"method": method, "classes": _classes(entries, protector), **_figures(lines, thresholds)})
    return {
        "thresholds": thresholds,
        "gallery": GALLERY_SIZE,
        "clean": {name: vars(_matched_clean(people, name, threshold)) for name, threshold in thresholds.items()},
        "rows": rows,
    }


def _classes(entries: Mapping[str, Entry], protector: Protector) -> dict[str, str]:
    """Each recognizer's class, given what the protector attacks."""
    attacked = [] if is_obfuscation(protector.options.method) else protector.surrogates
    surrogates = [entries[surrogate.recognizer.name] for surrogate in attacked]
    return {name: class_of(entry, surrogates) for name, entry in entries.items()}


def _figures(lines: Sequence[Transferred], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Medians; for each recognizer and handling the share still matched, and the share first in a search."""
    medians = {name: vars(median_interval([getattr(line, name) for line in lines])) for name in MEDIANS}
    matched = {
        name: {
            handling: vars(_matched((line.similarity[name][handling] for line in lines), threshold))
            for handling in HANDLED
        }
        for name, threshold in thresholds.items()
    }
    first = {
        name: {version: vars(proportion(sum(line.ranks[name][place] == 1 for line in lines), len(lines)))
               for place, version in enumerate(SEARCHED)}
        for name in thresholds
    }  # fmt: skip
    return {
        "n": len(lines),
        "worst_ssim": min(line.ssim for line in lines),
        "protected": vars(proportion(sum(line.protected for line in lines), len(lines))),
        "at_once": vars(proportion(sum(line.protected and line.rounds == 1 for line in lines), len(lines))),
        **medians,
        "matched": matched,
        "first": first,
        "places": {name: _evenness([line.places[name] for line in lines]) for name in thresholds},
    }


def _evenness(places: Sequence[float]) -> dict[str, Any]:
    """How evenly faces stand over a list: places in (0, 1], as shares of it.

    p_even: of Kolmogorov's test against an even spread over the whole list.
    """
    ends = {
        "first_percent": sum(place <= 0.01 for place in places),
        "last_percent": sum(place > 0.99 for place in places),
        "first_tenth": sum(place <= 0.1 for place in places),
        "last_tenth": sum(place > 0.9 for place in places),
    }
    shares = {name: vars(proportion(count, len(places))) for name, count in ends.items()}
    return {**shares, "median": float(np.median(places)), "p_even": float(kstest(places, "uniform").pvalue)}


def _matched_clean(people: Iterable[Person], recognizer: str, threshold: float) -> Estimate:
    """The share of people whose two clean photos match."""
    pairs = (person.embeddings[recognizer] for person in people)
    return _matched((float(first @ other) for first, other in pairs), threshold)


def _matched(similarities: Iterable[float], threshold: float) -> Estimate:
    matches = [similarity >= threshold for similarity in similarities]
    return proportion(sum(matches), len(matches))
