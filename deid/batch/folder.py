"""A folder of photos: first who is in it, then every photo, each step in the journal before it counts."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from deid.anonymity.groups import draw_k, secret_rng, seeded_rng
from deid.anonymity.rank_pmf import rank_pmf
from deid.batch.clusters import assign
from deid.batch.journal import Entry, Journal, journal_path
from deid.images import ImageError, picture_suffixes, read_photo, write_atomically
from deid.pipeline import FoundFace, Protector, output_suffix, process_photo
from deid.types import FolderResult, Options, PhotoResult, UsageError

Progress = Callable[[int, int, PhotoResult], None]  # photos done, photos in all, the last one's result


def protect_folder(
    input: Path,
    output: Path,
    options: Options,
    *,
    protector: Protector | None = None,
    progress: Progress = lambda done, total, result: None,
) -> FolderResult:
    """Protect a tree of photos into a mirrored tree. Run again, it goes on; what is done is skipped.

    Files without a picture's suffix and hidden ones are left out. An output that this run did not write is never
    replaced without `options.overwrite`. Raises UsageError and CheckpointError; a photo's trouble is its outcome.
    """
    _check(input, output)
    protector = protector or Protector(options)
    journal = Journal(journal_path(output), _configuration(options, protector))
    try:
        paths = sorted(_photos(input))
        for path in paths:
            _find(input, path, protector, journal)
        results = {}
        targets: dict[Path, Path] = {}
        for done, path in enumerate(_person_by_person(paths, journal), 1):
            target = output / path.with_suffix(output_suffix(path))
            first = targets.setdefault(target, path)
            if first == path:
                results[path] = _photo(input, path, target, protector, journal)
            else:
                message = f"{input / path}: {first} is saved under the same name, so nothing was written"
                results[path] = replace(_blank(input / path, options), outcome="failed", message=message)
            progress(done, len(paths), results[path])
        photos = tuple(results[path] for path in paths)
        pmf = rank_pmf(journal.rank_counts().elements()).to_dict()
        return FolderResult(photos, dict(Counter(photo.outcome for photo in photos)), pmf, options.k_level)
    finally:
        journal.close()


def _check(input: Path, output: Path) -> None:
    if not input.is_dir():
        raise UsageError(f"{input} is not a folder")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is not a folder")
    a, b = input.resolve(), output.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise UsageError(f"{input} and {output} lie in one another: originals and protected photos need two places")


def _configuration(options: Options, protector: Protector) -> dict[str, str | int | None]:
    """What must not change within a run: the draw is balanced for these."""
    return {
        "K": options.k_level,
        "method": options.method,
        "profile": options.profile,
        "recognizer": f"{protector.recognizer.name} {protector.recognizer.sha256[:16]}",
        "people": str(options.people.resolve()) if options.people else None,
        "faces": options.faces,
    }


def _photos(input: Path) -> Iterator[Path]:
    suffixes = picture_suffixes()
    for file in input.rglob("*"):
        path = file.relative_to(input)
        if file.suffix.lower() in suffixes and file.is_file() and not any(p.startswith(".") for p in path.parts):
            yield path


def _find(input: Path, path: Path, protector: Protector, journal: Journal) -> None:
    """Who is in a photo that is new to the journal, or has changed: its faces join clusters or start them."""
    sha256 = file_sha256(input / path)
    entry = journal.entry(str(path))
    if entry is not None and entry.input_sha256 == sha256:
        return
    try:
        found = protector.find(read_photo(input / path))
    except ImageError:
        found = []
    threshold = protector.recognizer.thresholds.get("1e-3", 1.0)
    embeddings = [face.embedding.cpu().numpy() for face in found]
    journal.add_found(str(path), sha256, assign(embeddings, journal.clusters(), threshold))


def _person_by_person(paths: Sequence[Path], journal: Journal) -> list[Path]:
    """The order of the draw: people with most photos first, one after another, so that both balances can hold."""
    sizes = {cluster.id: cluster.faces for cluster in journal.clusters()}

    def key(path: Path) -> tuple[int, int, Path]:
        clusters = journal.clusters_of(str(path))
        largest = max(clusters, key=lambda cluster: (sizes[cluster], -cluster), default=0)
        return -sizes.get(largest, 0), largest, path

    return sorted(paths, key=key)


def _photo(input: Path, path: Path, target: Path, protector: Protector, journal: Journal) -> PhotoResult:
    """One photo to its end: skipped, or processed, intended, written and finished."""
    name, options = str(path), protector.options
    entry = journal.entry(name)
    if entry is None:
        raise RuntimeError(f"{path} is not in the journal")
    if (known := _known_end(entry, target)) is not None:
        if entry.state == "intent" and entry.result is not None:
            journal.finish(name, entry.result)
        return known
    journal.give_back(name)
    if target.exists() and not options.overwrite and file_sha256(target) != entry.output_sha256:
        message = f"{target} exists and was not written by this run: --overwrite replaces it"
        return replace(_blank(input / path, options), outcome="failed", message=message)
    try:
        processed = process_photo(input / path, target, protector, _draw(name, protector, journal))
        result = processed.result
        if processed.data is not None:
            result = replace(result, output=str(target))
            journal.intend(name, target, hashlib.sha256(processed.data).hexdigest(), result)
            write_atomically(processed.data, target, overwrite=True)
    except ImageError as error:
        return replace(_blank(input / path, options), outcome="failed", message=f"{input / path}: {error}")
    journal.finish(name, result)
    return result


def _known_end(entry: Entry, target: Path) -> PhotoResult | None:
    """The result of a photo that needs no work: written as recorded, or known to have no face or to be unreadable.

    A photo that failed is tried again, with another draw.
    """
    result = entry.result
    if result is None or entry.state == "found":
        return None
    if entry.state == "done" and result.outcome in ("no-face", "unreadable"):
        return result
    written = entry.output_sha256 is not None and target.is_file() and file_sha256(target) == entry.output_sha256
    if not written or result.outcome != "protected":
        return None
    return replace(result, outcome="skipped", message="done before", output=str(target))


def _draw(name: str, protector: Protector, journal: Journal) -> Callable[[Sequence[FoundFace]], list[int]]:
    """The balanced draw for one photo's chosen faces, from what the journal says is published."""
    options = protector.options
    seed = None if options.seed is None else int(hashlib.sha256(f"{options.seed}/{name}".encode()).hexdigest(), 16)
    rng = secret_rng() if seed is None else seeded_rng(seed)

    def draw(faces: Sequence[FoundFace]) -> list[int]:
        here = set(journal.clusters_of(name))
        clusters = [cluster for cluster in journal.clusters() if cluster.id in here]
        in_run, ks = journal.rank_counts(), []
        for face in faces:
            mine = max(clusters, key=lambda c: float(face.embedding.cpu().numpy() @ c.centroid))
            counts = journal.rank_counts(mine.id)
            k = draw_k(options.k_level, run_counts=in_run, person_counts=counts, rng=rng)
            in_run[k] += 1
            ks.append(k)
        return ks

    return draw


def _blank(photo: Path, options: Options) -> PhotoResult:
    return PhotoResult(str(photo), None, "failed", options.profile, options.method, options.k_level)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
