"""`deid audit`: measure every photo, count, assemble the document. Interrupted and started again, it goes on."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from deid.audit.findings import jpeg_quality
from deid.audit.known import Known, judge_persons, known_by
from deid.audit.matching import match_files, thumbnail
from deid.audit.measure import Original, Pace, Published, glance, measure_photo
from deid.audit.provenance import MadeBy, made_by, surrogates_of
from deid.audit.report.document import assemble
from deid.audit.sets import FaceLine, Places, count_places
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE, Store, extra_of, stamp_of, store_path
from deid.batch.photo_tree import journal_name, photos_in
from deid.errors import UsageError
from deid.images.handlings import HANDLINGS
from deid.losses import cw_ssim, steerable_pyramid
from deid.recognizers.checkpoints import Entry, load_recognizer, manifest, verify
from deid.recognizers.kinship import CLASSES, class_of
from deid.recognizers.recognizer import Recognizer

Json = dict[str, Any]
Progress = Callable[[int, int, str], None]  # photos done, photos in all, which one
LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class AuditOptions:
    """k_level: None takes the run's own, else 5. against: recognizers by name, empty for all on this machine.

    people: a folder with a folder a person, whose photos are enrolled and tell who is who. gallery: photos of real
    other people. seed: of the random choice of one photo a person and of the fresh decoys. journals: of the runs that
    made the published sets, in their order; what is missing is looked for on this machine. resumable: whether an audit
    that is interrupted leaves what it has measured, templates of faces among it.
    """

    k_level: int | None = None
    people: Path | None = None
    gallery: Path | None = None
    against: tuple[str, ...] = ()
    seed: int = 0
    device: str = "cpu"
    journals: tuple[Path, ...] = ()
    resumable: bool = True


@dataclass(frozen=True)
class Audited:
    """document: the whole one, private. paths: id → published file."""

    document: Json
    faces: tuple[FaceLine, ...]
    paths: dict[str, Path]


def audit(
    originals: Path,
    published: Sequence[Path],
    options: AuditOptions,
    *,
    progress: Progress = lambda done, total, what: None,
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
    places = [originals, *published, *(folder for folder in (options.people, options.gallery) if folder)]
    # What was measured serves only the same audit, by the same program.
    same = {
        "places": [os.fsencode(place.resolve()).hex() for place in places],
        "weights": {name: entry.sha256 for name, entry in entries.items()},
        "versions": _versions(),
    }
    store = Store(store_path({**configuration, **same}))
    pace = Pace()
    try:
        sets = _measure(originals, published, options, recognizers, store, pace, progress)
        persons = judge_persons(store, entries)
        configuration["persons"] = persons.told_by
        known = {name: known_by(store, entry, persons, options.seed) for name, entry in entries.items()}
        counted = [
            count_places(label, one, store, run, known, K, options.seed)
            for label, one, run in zip(LABELS, sets, runs, strict=False)
        ]
        described = {name: _described(entry, runs, known[name]) for name, entry in entries.items()}
        sets_counted = [
            {"label": label, "counts": one.counts, "files": one.files}
            for label, one in zip(LABELS, counted, strict=False)
        ]
        audited = Audited(
            assemble(configuration, described, sets_counted, _made(started, pace)),
            tuple(face for one in counted for face in one.faces),
            {id: path for one in counted for id, path in one.paths.items()},
        )
        keep(audited)
    except BaseException:
        (store.close if options.resumable else store.delete)()
        raise
    store.delete()  # it holds templates of real people
    return audited


def _made(started: float, pace: Pace) -> Json:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": _versions(),
        "seconds": round(time.perf_counter() - started, 2),
        "seconds_in_recognizers": round(sum(pace.recognizers.values()), 2),
    }


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("face-deid", "torch", "facenet-pytorch", "numpy", "pillow")}


def _check(originals: Path, published: Sequence[Path], options: AuditOptions) -> None:
    for folder in (originals, *published, *(place for place in (options.people, options.gallery) if place)):
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
    if len(published) > len(LABELS):
        raise UsageError(f"at most {len(LABELS)} published sets are compared at once")
    if len({folder.resolve() for folder in published}) < len(published):
        raise UsageError("a published set is named twice")
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


def _configuration(options: AuditOptions, K: int, runs: Sequence[MadeBy | None]) -> Json:
    return {
        "k_level": K,
        "seed": options.seed,
        "handlings": list(HANDLINGS),
        "enrolled_people": options.people is not None,
        "gallery_of_real_people": options.gallery is not None,
        "methods": [run.made_with if run else "unknown" for run in runs],
        "cw_ssim": {
            "scales": steerable_pyramid.SCALES, "orientations": steerable_pyramid.ORIENTATIONS,
            "window": cw_ssim.WINDOW, "kappa": cw_ssim.KAPPA,
        },
        "ssim": {"window": 7, "image": "aligned luma face, 128×128"},
    }  # fmt: skip


def _measure(
    originals: Path,
    published: Sequence[Path],
    options: AuditOptions,
    recognizers: Sequence[Recognizer],
    store: Store,
    pace: Pace,
    progress: Progress,
) -> list[Places]:
    """Everything that has to look at a photo. What the store has of unchanged files is kept."""
    paths = sorted(photos_in(originals))
    theirs = [sorted(photos_in(folder)) for folder in published]
    pairs = [match_files(paths, there) for there in theirs]
    enrolled = [(place, folder) for place, folder in ((PEOPLE, options.people), (GALLERY, options.gallery)) if folder]
    portraits = [(place, folder, path) for place, folder in enrolled for path in sorted(photos_in(folder))]
    extra = [
        (label, folder, path)
        for label, folder, there, pair in zip(LABELS, published, theirs, pairs, strict=False)
        for path in sorted(set(there) - set(pair.values()))
    ]
    total, done = len(paths) + len(portraits) + len(extra), 0
    for path in paths:
        there = [
            (label, folder / pair[path])
            for label, folder, pair in zip(LABELS, published, pairs, strict=False)
            if path in pair
        ]
        _measure_photo(originals / path, journal_name(path), there, recognizers, options.device, store, pace)
        done += 1
        progress(done, total, str(path))
    for place, folder, path in portraits:
        _measure_portrait(place, folder / path, journal_name(path), recognizers, options.device, store, pace)
        done += 1
        progress(done, total, str(path))
    for label, folder, path in extra:
        _measure_extra(extra_of(label), folder / path, journal_name(path), store)
        done += 1
        progress(done, total, str(path))
    store.keep_only(ORIGINALS, [journal_name(path) for path in paths])
    for at in (PEOPLE, GALLERY):
        store.keep_only(at, [journal_name(path) for place, _, path in portraits if place == at])
    sets = []
    for label, folder, pair in zip(LABELS, published, pairs, strict=False):
        store.keep_only(label, [journal_name(path) for path in pair])
        store.keep_only(extra_of(label), [journal_name(path) for at, _, path in extra if at == label])
        sets.append(Places(originals, folder, pair))
    return sets


def _measure_photo(
    path: Path,
    name: str,
    published: Sequence[tuple[str, Path]],
    recognizers: Sequence[Recognizer],
    device: str,
    store: Store,
    pace: Pace,
) -> None:
    stamp = stamp_of(path, *(there for _, there in published))
    if store.stamp(ORIGINALS, name) == stamp:
        return
    original, versions = measure_photo(path, [there for _, there in published], recognizers, device, pace)
    for (label, there), one in zip(published, versions, strict=True):
        store.put(label, name, stamp, _published_record(one, there), [face.embeddings for face in one.faces])
    # Last: its stamp says that the others are there.
    store.put(ORIGINALS, name, stamp, _original_record(original), [face.embeddings for face in original.faces])


def _measure_portrait(
    place: str, path: Path, name: str, recognizers: Sequence[Recognizer], device: str, store: Store, pace: Pace
) -> None:
    """The largest face of a photo of one person."""
    stamp = stamp_of(path)
    if store.stamp(place, name) == stamp:
        return
    portrait, _ = measure_photo(path, [], recognizers, device, pace)
    largest = max(portrait.faces, key=lambda face: face.face.area, default=None)
    store.put(place, name, stamp, {"sha256": portrait.sha256}, [largest.embeddings] if largest else [])


def _measure_extra(place: str, path: Path, name: str, store: Store) -> None:
    stamp = stamp_of(path)
    if store.stamp(place, name) != stamp:
        sha256, small = glance(path)
        store.put(place, name, stamp, {"sha256": sha256, "thumbnail": _hex(small)}, [])


def _original_record(original: Original) -> Json:
    return {
        "sha256": original.sha256,
        "problem": original.problem,
        "faces": [{"box": list(clean.face.box)} for clean in original.faces],
        "thumbnail": _hex(None if original.pixels is None else thumbnail(original.pixels)),
    }


def _published_record(published: Published, path: Path) -> Json:
    return {
        "sha256": published.sha256,
        "problem": published.problem,
        "found": [face.found for face in published.faces],
        "quality": [dict(face.quality) for face in published.faces],
        "new_faces": published.new_faces,
        "unchanged": published.unchanged,
        "thumbnail": _hex(published.thumbnail),
        "jpeg_quality": jpeg_quality(path),
    }


def _hex(picture: np.ndarray | None) -> str:
    return "" if picture is None else picture.tobytes().hex()


def _described(entry: Entry, runs: Sequence[MadeBy | None], known: Known) -> Json:
    """A recognizer as the report names it; of several sets' classes the least telling one counts."""
    entries = manifest()
    classes = [class_of(entry, surrogates_of(run, entries)) for run in runs]
    return {
        "class": min(classes, key=CLASSES.index),
        "architecture": entry.architecture,
        "sha256": entry.sha256,
        "training_data": entry.details.get("training_data", "not stated"),
        "teacher": entry.details.get("teacher"),
        "thresholds": dict(known.thresholds),
        "thresholds_from": known.thresholds_from,
        "galleries": {name: len(gallery.prototypes) + 1 for name, gallery in known.galleries.items()},
    }
