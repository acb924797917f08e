"""All photos of an audit's folders: each is measured once, and what was measured is kept in the store."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deid.audit.findings import quality_of_file
from deid.audit.matching import match_files, thumbnail
from deid.audit.measure import Original, Published, Stopwatch, hash_and_thumbnail, measure_photo
from deid.audit.sets import LABELS, PublishedSet
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE, Store, extra_of, stamp_of
from deid.batch.photo_tree import journal_name, photos_in
from deid.recognizers.recognizer import Recognizer

Json = dict[str, Any]
Progress = Callable[[int, int, str], None]
"""Is called with the number of photos done, the number of all photos, and the one that was done last."""
Measure = Callable[[Path, Sequence[Path]], tuple[Original, list[Published]]]
"""`measure_photo` by the recognizers of this audit."""


def measure_folders(
    originals: Path,
    published: Sequence[Path],
    *,
    people: Path | None,
    gallery: Path | None,
    recognizers: Sequence[Recognizer],
    device: str,
    store: Store,
    stopwatch: Stopwatch,
    progress: Progress,
) -> list[PublishedSet]:
    """Measure every photo of the folders that the store does not have as it is now; forget those that are gone.

    originals, people, gallery: see `AuditOptions`.
    published: a folder a set.
    store: what is measured goes there.
    stopwatch: the recognizers' time is added to it.
    """
    measure = partial(measure_photo, recognizers=recognizers, device=device, stopwatch=stopwatch)
    paths = sorted(photos_in(originals))
    sets, extras = [], {}
    for label, folder in zip(LABELS, published, strict=False):
        files = sorted(photos_in(folder))
        pairs = match_files(paths, files)
        sets.append(PublishedSet(label, originals, folder, pairs))
        extras[label] = sorted(set(files) - set(pairs.values()))
    portraits = {
        place: (folder, sorted(photos_in(folder)))
        for place, folder in ((PEOPLE, people), (GALLERY, gallery))
        if folder is not None
    }

    tasks: list[tuple[Path, Callable[[], None]]] = []
    for path in paths:
        versions = {part.label: part.published / part.pairs[path] for part in sets if path in part.pairs}
        tasks.append((path, partial(_measure_original, originals / path, path, versions, store, measure)))
    for place, (folder, files) in portraits.items():
        tasks += [(path, partial(_measure_portrait, folder / path, path, place, store, measure)) for path in files]
    for part in sets:
        tasks += [
            (path, partial(_measure_extra, part.published / path, path, extra_of(part.label), store))
            for path in extras[part.label]
        ]
    for done, (path, task) in enumerate(tasks, 1):
        task()
        progress(done, len(tasks), str(path))

    store.keep_only(ORIGINALS, [journal_name(path) for path in paths])
    for place in (PEOPLE, GALLERY):
        _, files = portraits.get(place, (None, []))
        store.keep_only(place, [journal_name(path) for path in files])
    for part in sets:
        store.keep_only(part.label, [journal_name(path) for path in part.pairs])
        store.keep_only(extra_of(part.label), [journal_name(path) for path in extras[part.label]])
    return sets


def _measure_original(file: Path, path: Path, versions: dict[str, Path], store: Store, measure: Measure) -> None:
    """An original and its published versions. path: relative; versions: label of a set → file."""
    name, stamp = journal_name(path), stamp_of(file, *versions.values())
    if store.stamp(ORIGINALS, name) == stamp:
        return
    original, published = measure(file, list(versions.values()))
    for (label, version), measured in zip(versions.items(), published, strict=True):
        record = _published_record(measured, version)
        looks = [(face.looks, face.at_looks) for face in measured.faces]
        store.put(label, name, stamp, record, [face.embeddings for face in measured.faces], looks)
    # Last: its stamp says that the others are there.
    store.put(ORIGINALS, name, stamp, _original_record(original), [face.embeddings for face in original.faces])


def _measure_portrait(file: Path, path: Path, place: str, store: Store, measure: Measure) -> None:
    """The largest face of a photo of one person."""
    name, stamp = journal_name(path), stamp_of(file)
    if store.stamp(place, name) == stamp:
        return
    portrait, _ = measure(file, [])
    largest = max(portrait.faces, key=lambda clean: clean.face.area, default=None)
    faces = [largest] if largest else []
    record = {"sha256": portrait.sha256, "landmarks": [clean.face.landmarks.tolist() for clean in faces]}
    store.put(place, name, stamp, record, [clean.embeddings for clean in faces])


def _measure_extra(file: Path, path: Path, place: str, store: Store) -> None:
    """A published file without an original."""
    name, stamp = journal_name(path), stamp_of(file)
    if store.stamp(place, name) != stamp:
        sha256, small = hash_and_thumbnail(file)
        store.put(place, name, stamp, {"sha256": sha256, "thumbnail": _hex(small)}, [])


def _original_record(original: Original) -> Json:
    return {
        "sha256": original.sha256,
        "problem": original.problem,
        "faces": [{"box": list(clean.face.box), "plain": clean.plain} for clean in original.faces],
        "landmarks": [clean.face.landmarks.tolist() for clean in original.faces],
        "possible": original.possible,
        "thumbnail": _hex(None if original.pixels is None else thumbnail(original.pixels)),
    }


def _published_record(published: Published, file: Path) -> Json:
    return {
        "sha256": published.sha256,
        "problem": published.problem,
        "found": [face.found for face in published.faces],
        "landmarks": [face.landmarks.tolist() for face in published.faces],
        "looks": [len(face.looks) for face in published.faces],
        "quality": [dict(face.quality) for face in published.faces],
        "new_faces": published.new_faces,
        "shining_through": published.shining_through,
        "unchanged": published.unchanged,
        "thumbnail": _hex(published.thumbnail),
        "jpeg_quality": quality_of_file(file),
    }


def _hex(picture: np.ndarray | None) -> str:
    return "" if picture is None else picture.tobytes().hex()
