"""`deid audit`: measure every photo, count, assemble the document. Interrupted and started again, it goes on."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

from deid.audit.defended import ask_defenses, files_of
from deid.audit.folders import Progress, measure_folders
from deid.audit.lessons import known_faces
from deid.audit.measure import Stopwatch
from deid.audit.provenance import RecordedRun, made_by, surrogates_of
from deid.audit.questions import Question, check_defenses, questions_to
from deid.audit.references import Persons, References, judge_persons, references_for
from deid.audit.report.document import assemble
from deid.audit.report.html import drawn_by
from deid.audit.second_looks import LOOKS
from deid.audit.sets import LABELS, FaceLine, PublishedSet, count_published
from deid.audit.store import Store, store_path
from deid.errors import UsageError
from deid.images.handlings import HANDLINGS
from deid.losses import cw_ssim, steerable_pyramid
from deid.recognizers import RECOGNIZERS
from deid.recognizers.checkpoints import Entry, load_recognizer, manifest, verify
from deid.recognizers.kinship import CLASSES, class_of
from deid.recognizers.recognizer import Recognizer

Json = dict[str, Any]


@dataclass(frozen=True)
class AuditOptions:
    """What an audit asks, and of whom.

    k_level: the anonymity level K; None takes the run's own, else 5.
    people: a folder with a folder a person, whose photos are enrolled and tell who is who.
    gallery: a folder of photos of real other people.
    against: recognizers by name; empty for all on this machine.
    defenses: put before each of these, by name.
    seed: of the random choice of one photo a person, of the fresh decoys, and of what defenses draw.
    device: of the detector and the recognizers, as PyTorch names it.
    journals: of the runs that made the published sets, in their order; what is missing is looked for on this machine.
    state: a folder for what is measured, templates of faces among it, if the audit is not to go on once it is
        interrupted; None: the user's private state, where it is left to go on with.
    """

    k_level: int | None = None
    people: Path | None = None
    gallery: Path | None = None
    against: tuple[str, ...] = ()
    defenses: tuple[str, ...] = ()
    seed: int = 0
    device: str = "cpu"
    journals: tuple[Path, ...] = ()
    state: Path | None = None


@dataclass(frozen=True)
class Audited:
    """document: the whole one, private; faces: a line each, private as well; paths: id → published file; names: id →
    its path below the published folder.
    """

    document: Json
    faces: tuple[FaceLine, ...]
    paths: dict[str, Path]
    names: dict[str, Path]


def audit(
    originals: Path,
    published: Sequence[Path],
    options: AuditOptions,
    *,
    progress: Progress = lambda done, total, photo: None,
    keep: Callable[[Audited], None] = lambda audited: None,
) -> Audited:
    """Audit one or several published versions of a folder of originals.

    keep: called with the result before the measurements are deleted, to write it down: nothing is lost if that fails.
    Raises UsageError for folders or options that make no sense, CheckpointError for missing or changed weights; a
    photo's trouble is a finding.
    """
    started = time.perf_counter()
    _check(originals, published, options)
    runs = [made_by(folder, journal) for folder, journal in zip_longest(published, options.journals[: len(published)])]
    entries = _entries(options.against)
    K = options.k_level or next((run.k_level for run in runs if run), 5)
    recognizers = [load_recognizer(name, options.device) for name in entries]
    configuration = _configuration(options, K, runs)
    folders = filter(None, (originals, *published, options.people, options.gallery))
    # What was measured serves only the same audit, by the same program.
    same = {
        "places": [os.fsencode(folder.resolve()).hex() for folder in folders],
        "weights": {name: entry.sha256 for name, entry in entries.items()},
        "versions": _versions(),
        "defenses": None,  # whichever are asked: an answer is kept under its question
    }
    store = Store(options.state / "measured.sqlite" if options.state else store_path({**configuration, **same}))
    stopwatch = Stopwatch()
    try:
        sets = measure_folders(
            originals,
            published,
            people=options.people,
            gallery=options.gallery,
            recognizers=recognizers,
            device=options.device,
            store=store,
            stopwatch=stopwatch,
            progress=progress,
        )
        persons = judge_persons(store, entries)
        configuration["persons"] = persons.source
        references = {name: references_for(store, entry, persons, options.seed) for name, entry in entries.items()}
        questions = _asked(sets, originals, options, entries, recognizers, persons, references, store, progress)
        counted_sets = [
            count_published(published_set, store, run, references, questions, K, options.seed)
            for published_set, run in zip(sets, runs, strict=True)
        ]
        document = assemble(
            configuration,
            {name: _described(entry, runs, references[name]) for name, entry in entries.items()},
            [{"label": counted.label, "counts": counted.counts, "files": counted.files} for counted in counted_sets],
            _made(started, stopwatch),
        )
        audited = Audited(
            document,
            tuple(face for counted in counted_sets for face in counted.faces),
            {photo: path for counted in counted_sets for photo, path in counted.paths.items()},
            {photo: name for counted in counted_sets for photo, name in counted.names.items()},
        )
        keep(audited)
    except BaseException:
        (store.delete if options.state else store.close)()
        raise
    store.delete()  # it holds templates of real people
    return audited


def _asked(
    sets: Sequence[PublishedSet],
    originals: Path,
    options: AuditOptions,
    entries: Mapping[str, Entry],
    recognizers: Sequence[Recognizer],
    persons: Persons,
    references: Mapping[str, References],
    store: Store,
    progress: Progress,
) -> dict[str, list[Question]]:
    """What the recognizers behind defenses were asked, by recognizer; refused before any of them is trained."""
    if not options.defenses:
        return {name: [] for name in entries}
    questions = {
        name: questions_to(name, known_faces(store, name, persons, of), options.defenses, options.seed)
        for name, of in references.items()
    }
    for recognizer in recognizers:
        name = recognizer.name
        ask_defenses(
            questions[name],
            recognizer,
            RECOGNIZERS[entries[name].architecture].layers,
            references[name],
            [part.label for part in sets],
            store=store,
            file_of=files_of(sets, originals, options.people, options.gallery),
            seed=options.seed,
            progress=progress,
        )
    return questions


def _made(started: float, stopwatch: Stopwatch) -> Json:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": _versions(),
        "drawn_by": drawn_by(),
        "seconds": round(time.perf_counter() - started, 2),
        "seconds_in_recognizers": round(stopwatch.seconds, 2),
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("face-deid", "torch", "facenet-pytorch", "numpy", "pillow")}


def _check(originals: Path, published: Sequence[Path], options: AuditOptions) -> None:
    for folder in filter(None, (originals, *published, options.people, options.gallery)):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
    if len(published) > len(LABELS):
        raise UsageError(f"at most {len(LABELS)} published sets are compared at once")
    if len({folder.resolve() for folder in published}) < len(published):
        raise UsageError("a published set is named twice")
    check_defenses(options.defenses)
    if options.k_level is not None and options.k_level < 1:
        raise UsageError(f"K must be at least 1, not {options.k_level}")


def _entries(against: Sequence[str]) -> dict[str, Entry]:
    """The recognizers to ask, verified. Raises UsageError for an unknown name, CheckpointError for changed weights."""
    entries = manifest()
    if unknown := [name for name in against if name not in entries]:
        raise UsageError(f"no recognizer called {', '.join(unknown)}: there are {', '.join(entries)}")
    chosen = {name: entry for name, entry in entries.items() if not against or name in against}
    for entry in chosen.values():
        verify(entry)
    return chosen


def _configuration(options: AuditOptions, K: int, runs: Sequence[RecordedRun | None]) -> Json:
    return {
        "k_level": K,
        "seed": options.seed,
        "handlings": list(HANDLINGS),
        "looks": list(LOOKS),
        "enrolled_people": options.people is not None,
        "gallery_of_real_people": options.gallery is not None,
        "defenses": list(options.defenses),
        "methods": [run.made_with if run else "unknown" for run in runs],
        "cw_ssim": {
            "scales": steerable_pyramid.SCALES, "orientations": steerable_pyramid.ORIENTATIONS,
            "window": cw_ssim.WINDOW, "kappa": cw_ssim.KAPPA,
        },
        "ssim": {"window": 7, "image": "aligned luma face, 128×128"},
    }  # fmt: skip


def _described(entry: Entry, runs: Sequence[RecordedRun | None], references: References) -> Json:
    """A recognizer as the report names it; of several sets' classes the least telling one counts."""
    entries = manifest()
    classes = [class_of(entry, surrogates_of(run, entries)) for run in runs]
    return {
        "class": min(classes, key=CLASSES.index),
        "architecture": entry.architecture,
        "sha256": entry.sha256,
        "training_data": entry.details.get("training_data", "not stated"),
        "teacher": entry.details.get("teacher"),
        "thresholds": dict(references.thresholds),
        "thresholds_from": references.thresholds_from,
        "galleries": {name: len(gallery.prototypes) + 1 for name, gallery in references.galleries.items()},
    }
