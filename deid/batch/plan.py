"""What is to be done in a folder: who is in each photo, in which order photos come, and which k each face gets.

The draw is secret, and even over the run and over each person's photos; a k that is drawn is reserved for its face
until the photo ends, so that photos under way count in every further draw.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from deid.anonymity.groups import draw_k, secret_rng, seeded_rng
from deid.batch.journal import Journal, KnownFace
from deid.batch.photo_tree import journal_name
from deid.batch.work import Job
from deid.errors import ImageError
from deid.images.photo import read_photo
from deid.methods import is_obfuscation
from deid.protection.enrollment import FoundFaces
from deid.protection.options import chosen_faces
from deid.protection.protector import Protector
from deid.storage.hashes import file_sha256
from deid.types import Options


def find_people_in(
    source: Path, path: Path, protector: Protector, journal: Journal, on_search: Callable[[], None] = lambda: None
) -> None:
    """Look who is in a photo that is new to the journal, or has changed: its faces join clusters or start them.

    on_search: called before a photo is looked at. Raises OSError for a file that cannot be opened.
    """
    if (source / path).exists() and not (source / path).is_file():
        raise OSError("this is not an ordinary file")  # reading a pipe could wait forever
    sha256 = file_sha256(source / path)
    entry = journal.entry(journal_name(path))
    if entry is not None and entry.input_sha256 == sha256:
        return
    on_search()
    try:
        found = protector.find(read_photo(source / path))
    except ImageError:
        found, sha256 = FoundFaces(()), ""  # of no file: the next run looks again
    threshold = protector.recognizer.thresholds.get("1e-3", 1.0)
    faces = [(f.face, f.embedding.cpu().numpy()) for f in found.faces]
    journal.add_found(journal_name(path), sha256, faces, threshold, found.possible)


def person_by_person(paths: Sequence[Path], journal: Journal) -> list[Path]:
    """The order of the draw: people with most photos first, one after another, so that both balances can hold."""
    sizes = {cluster.id: cluster.faces for cluster in journal.clusters()}

    def key(path: Path) -> tuple[int, int, Path]:
        clusters = [known.cluster for known in journal.faces_of(journal_name(path))]
        largest = max(clusters, key=lambda cluster: (sizes[cluster], -cluster), default=0)
        return -sizes.get(largest, 0), largest, path

    return sorted(paths, key=key)


def plan_job(source: Path, path: Path, target: Path, options: Options, journal: Journal) -> Job:
    """The work on one photo, with a k drawn and reserved for each chosen face.

    Raises UsageError for a face number that the photo does not have.
    """
    name = journal_name(path)
    entry, known = journal.entry(name), journal.faces_of(name)
    if entry is None:
        raise RuntimeError(f"{path} is not in the journal")
    chosen = chosen_faces(options, [face.face for face in known]) if known else []
    ks = [] if is_obfuscation(options.method) else draw_ks(name, [known[i] for i in chosen], options, journal)
    if ks:
        journal.reserve(name, dict(zip(chosen, ks, strict=True)))
    embeddings = np.stack([face.embedding for face in known]) if known else np.zeros((0, 0), np.float32)
    return Job(
        source / path,
        target,
        entry.input_sha256,
        tuple(face.face for face in known),
        embeddings,
        tuple(chosen),
        tuple(ks),
        tuple(journal.possible_of(name)),
    )


def draw_ks(name: str, faces: Sequence[KnownFace], options: Options, journal: Journal) -> list[int]:
    """A k for each of a photo's chosen faces, by what is published and under way. name: the photo's in the journal."""
    seed = None if options.seed is None else int(hashlib.sha256(f"{options.seed}/{name}".encode()).hexdigest(), 16)
    rng = secret_rng() if seed is None else seeded_rng(seed)
    in_run, ks = journal.rank_counts(), []
    for face in faces:  # two faces of a photo are two people
        k = draw_k(options.k_level, run_counts=in_run, person_counts=journal.rank_counts(face.cluster), rng=rng)
        in_run[k] += 1
        ks.append(k)
    return ks
