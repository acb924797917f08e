"""One published set, from what the store holds to its counts, its files and the private line of each face."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.audit.counts import count_set
from deid.audit.findings import findings_of
from deid.audit.known import Known
from deid.audit.provenance import MadeBy
from deid.audit.store import ORIGINALS, Store, extra_of
from deid.batch.photo_tree import journal_name, path_of
from deid.images.handlings import HANDLINGS

Json = dict[str, Any]
QUALITY_DIGITS = {"ssim": 3, "cw_ssim": 3, "ms_ssim": 3, "psnr": 1}


@dataclass(frozen=True)
class FaceLine:
    """What the private part says of one face of one published photo. values: column → value."""

    id: str
    original: Path
    published: Path
    number: int
    box: tuple[float, float, float, float]
    person: str
    values: Json


@dataclass(frozen=True)
class CountedSet:
    """counts and files go into the document; faces and paths (id → published file) into the private part."""

    counts: Json
    files: list[Json]
    faces: tuple[FaceLine, ...]
    paths: dict[str, Path]


@dataclass(frozen=True)
class Places:
    """Where a set's photos are. pairs: relative path of an original → of its published version."""

    originals: Path
    published: Path
    pairs: Mapping[Path, Path]


def count_places(
    label: str, places: Places, store: Store, run: MadeBy | None, known: Mapping[str, Known], K: int, seed: int
) -> CountedSet:
    """Counts one set by every recognizer, one after another. label: its place in the store."""
    originals, published = dict(store.records(ORIGINALS)), dict(store.records(label))
    extra = dict(store.records(extra_of(label)))
    ids = _ids(label, originals, published, extra)
    recorded = None
    if run is not None:
        # By the original's path: what a run wrote for it must be what is published for it.
        recorded = {journal_name(path): sha256 for path, sha256 in run.outputs.items()}
    persons: dict[tuple[str, int], str] = {}
    lines: dict[tuple[str, int], Json] = {}
    recognizers = {}
    for name, one in known.items():
        rows = len(HANDLINGS)
        recognizers[name], told = count_set(one, store.embeddings(label, name, rows), K, seed)
        for key, values in told.items():
            persons[key] = one.persons[one.row_of[key]]
            line = lines.setdefault(key, dict(published[key[0]]["quality"][key[1]]))
            line |= {f"{name}: {column}": value for column, value in values.items()}
    quality = {
        name: _histogram([line[name] for line in lines.values()], digits) for name, digits in QUALITY_DIGITS.items()
    }
    counts = {
        "photos": {
            "originals": len(originals),
            "published": len(published) + len(extra),
            "audited": len({path for path, _ in lines}),
        },
        "faces": len(lines),
        "persons": len(set(persons.values())),
        "recognizers": recognizers,
        "quality": quality,
        "findings": findings_of(originals, published, extra, ids, recorded),
    }
    paths = {ids[path]: places.published / places.pairs[path_of(path)] for path in published}
    paths |= {ids[path]: places.published / path_of(path) for path in extra}
    hashes = {ids[path]: record["sha256"] for path, record in (*published.items(), *extra.items())}
    files = [{"id": id, "sha256": hashes[id]} for id in sorted(hashes, key=lambda id: (len(id), id))]
    faces = tuple(
        FaceLine(
            ids[path],
            places.originals / path_of(path),
            places.published / places.pairs[path_of(path)],
            number + 1,
            tuple(originals[path]["faces"][number]["box"]),
            persons[path, number],
            lines[path, number],
        )
        for path, number in lines
    )
    return CountedSet(counts, files, faces, paths)


def _ids(
    label: str, originals: Mapping[str, Json], published: Mapping[str, Json], extra: Mapping[str, Json]
) -> dict[str, str]:
    """An opaque id for every photo, in an order that tells nothing of its name: by the published file's SHA-256."""
    keys = {path: published[path]["sha256"] if path in published else f"~{path}" for path in originals}
    keys |= {path: record["sha256"] for path, record in extra.items()}
    return {path: f"{label}{at}" for at, path in enumerate(sorted(keys, key=lambda path: (keys[path], path)), 1)}


def _histogram(values: Sequence[float], digits: int) -> dict[str, int]:
    """Value, rounded, as text → how many faces."""
    return dict(sorted(Counter(f"{value:.{digits}f}" for value in values).items()))
