"""One published set, from what the store holds to its counts, its files and the private line of each face."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deid.audit.counts import count_set
from deid.audit.defended_counts import count_defended
from deid.audit.findings import findings_of
from deid.audit.look_counts import first_elsewhere
from deid.audit.provenance import RecordedRun
from deid.audit.questions import Question
from deid.audit.references import References
from deid.audit.store import ORIGINALS, Store, extra_of
from deid.batch.photo_tree import journal_name, path_of
from deid.images.handlings import HANDLINGS
from deid.storage.hashes import pair_sha256

Json = dict[str, Any]
FaceKey = tuple[str, int]
"""An original's path in the store, and the number of its face."""
LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of published sets, in the order given
FIRST_CANDIDATES, WHOLE_LIST = "first candidates", "whole list"  # where a set's faces were to stand
QUALITY_DIGITS = {"ssim": 3, "cw_ssim": 3, "ms_ssim": 3, "psnr": 1}


@dataclass(frozen=True)
class PublishedSet:
    """Where a set's photos are.

    label: the set's name in the report and in the store.
    originals, published: folders.
    pairs: relative path of an original → of its published version.
    """

    label: str
    originals: Path
    published: Path
    pairs: Mapping[Path, Path]


@dataclass(frozen=True)
class FaceLine:
    """What the private part says of one face of one published photo.

    id: the photo's, as the report has it.
    original, published: its files.
    number: from 1, as the faces stand in the original from left to right.
    box: (x0, y0, x1, y1) in pixels of the original.
    person: a name, or #number for a guessed one.
    values: column → value.
    """

    id: str
    original: Path
    published: Path
    number: int
    box: tuple[float, float, float, float]
    person: str
    values: Json


@dataclass(frozen=True)
class CountedSet:
    """counts and files go into the document; faces, paths (id → published file) and names (id → its path below the
    published folder) into the private part.
    """

    label: str
    counts: Json
    files: list[Json]
    faces: tuple[FaceLine, ...]
    paths: dict[str, Path]
    names: dict[str, Path]


def count_published(
    published_set: PublishedSet,
    store: Store,
    run: RecordedRun | None,
    references: Mapping[str, References],
    questions: Mapping[str, Sequence[Question]],
    K: int,
    seed: int,
) -> CountedSet:
    """Counts one set by every recognizer, one after another.

    run: that made the set, None where nobody knows: then a face may stand anywhere in a list.
    references: by recognizer; questions: what each was asked behind defenses, by recognizer.
    """
    label = published_set.label
    among_the_first = run is not None and run.among_the_first
    originals, published = dict(store.records(ORIGINALS)), dict(store.records(label))
    extra = dict(store.records(extra_of(label)))
    ids = _ids(label, originals, published, extra)
    recorded = None
    if run is not None:
        # By the original's path: what a run wrote for it must be what is published for it.
        recorded = {journal_name(path): sha256 for path, sha256 in run.outputs.items()}
    recognizers, persons, lines = _counted(label, store, references, questions, K if among_the_first else None, seed)
    quality = {
        name: _histogram([line[name] for line in lines.values()], digits) for name, digits in QUALITY_DIGITS.items()
    }
    by_looks = {key: detail for key, line in lines.items() if (detail := first_elsewhere(line))}
    by_second_look = [(path, number) for path, number in lines if not originals[path]["faces"][number]["plain"]]
    possible = {path: record["possible"] for path, record in originals.items() if record["possible"]}
    counts = {
        "photos": {
            "originals": len(originals),
            "published": len(published) + len(extra),
            "audited": len({path for path, _ in lines}),
        },
        "faces": len(lines),
        "spread_over": FIRST_CANDIDATES if among_the_first else WHOLE_LIST,
        "further_looks": sum(published[path]["looks"][number] for path, number in lines),
        "first_elsewhere": _faces_and_photos(by_looks),
        "second_look": _faces_and_photos(by_second_look),
        "possible": {"faces": sum(possible.values()), "photos": len(possible)},
        "persons": len(set(persons.values())),
        "recognizers": recognizers,
        "quality": quality,
        "findings": findings_of(originals, published, extra, ids, recorded, by_looks, by_second_look),
    }
    # A published photo stands in the store by its original's path, an extra file by its own.
    names = {ids[path]: published_set.pairs[path_of(path)] for path in published}
    names |= {ids[path]: path_of(path) for path in extra}
    paths = {photo: published_set.published / name for photo, name in names.items()}
    hashes = {ids[path]: record["sha256"] for path, record in (*published.items(), *extra.items())}
    faces = tuple(
        FaceLine(
            id=ids[path],
            original=published_set.originals / path_of(path),
            published=paths[ids[path]],
            number=number + 1,
            box=tuple(originals[path]["faces"][number]["box"]),
            person=persons[path, number],
            values=lines[path, number],
        )
        for path, number in lines
    )
    return CountedSet(label, counts, _files(hashes, names, paths), faces, paths, names)


def _counted(
    label: str,
    store: Store,
    references: Mapping[str, References],
    questions: Mapping[str, Sequence[Question]],
    K: int | None,
    seed: int,
) -> tuple[Json, dict[FaceKey, str], dict[FaceKey, Json]]:
    """Counts by recognizer; the person of every face; and a line for every face, its quality first.

    K: of the first K + 1 candidates that a run spread faces over; None where a face may stand anywhere.
    """
    published = dict(store.records(label))
    recognizers: Json = {}
    persons: dict[FaceKey, str] = {}
    lines: dict[FaceKey, Json] = {}
    for name, reference in references.items():
        embeddings = store.embeddings(label, name, len(HANDLINGS))
        recognizers[name], face_values = count_set(reference, embeddings, K, seed, store.looks(label, name))
        recognizers[name]["defenses"], said = count_defended(
            questions[name], reference, store.embeddings(label, name, len(HANDLINGS)), label, store
        )
        for key, values in face_values.items():
            persons[key] = reference.persons[reference.row_of[key]]
            line = lines.setdefault(key, dict(published[key[0]]["quality"][key[1]]))
            line |= {f"{name}: {column}": value for column, value in (values | said.get(key, {})).items()}
    return recognizers, persons, lines


def _files(hashes: Mapping[str, str], names: Mapping[str, Path], paths: Mapping[str, Path]) -> list[Json]:
    """Of every published file its hash, and its hash with its name; by id: hashes, names and paths."""
    return [
        {"id": photo, "sha256": hashes[photo], "pair_sha256": _pair(names[photo], paths[photo])}
        for photo in sorted(hashes, key=lambda photo: (len(photo), photo))
    ]


def _pair(name: Path, path: Path) -> str:
    """Binds a published file to its name; empty for one that cannot be opened."""
    try:
        return pair_sha256(name, path)
    except OSError:
        return ""


def _faces_and_photos(faces: Iterable[tuple[str, int]]) -> Json:
    """How many faces, (photo, number), in how many photos."""
    photos = [path for path, _ in faces]
    return {"faces": len(photos), "photos": len(set(photos))}


def _ids(
    label: str, originals: Mapping[str, Json], published: Mapping[str, Json], extra: Mapping[str, Json]
) -> dict[str, str]:
    """An opaque id for every photo, in an order that tells nothing of its name: by the published file's SHA-256."""
    keys = {path: published[path]["sha256"] if path in published else f"~{path}" for path in originals}
    keys |= {path: record["sha256"] for path, record in extra.items()}
    ordered = sorted(keys, key=lambda path: (keys[path], path))
    return {path: f"{label}{number}" for number, path in enumerate(ordered, 1)}


def _histogram(values: Sequence[float], digits: int) -> dict[str, int]:
    """Value, rounded, as text → how many faces."""
    return dict(sorted(Counter(f"{value:.{digits}f}" for value in values).items()))
