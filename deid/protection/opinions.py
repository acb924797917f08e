"""What recognizers make of each chosen face of the saved file: those attacked, and others that are on this machine.

The former come from the verification; the latter are asked once, of a file that is about to be written.
"""

from collections.abc import Iterable

from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.images.photo import decode_photo
from deid.methods import is_obfuscation
from deid.protection.attempt import Attempt
from deid.protection.enrollment import ITSELF
from deid.protection.protector import Protector
from deid.protection.surrogates import Surrogate
from deid.protection.task import PhotoTask
from deid.recognizers.checkpoints import Entry, manifest
from deid.recognizers.gallery import Enrollment, Gallery
from deid.recognizers.kinship import class_of
from deid.recognizers.recognizer import embed_faces
from deid.types import Opinion


def opinions_of(task: PhotoTask, attempt: Attempt, *, ask_others: bool) -> list[tuple[Opinion, ...]]:
    """Of each chosen face, the worst first.

    ask_others: also recognizers that were not attacked. Raises CheckpointError for one that cannot be loaded.
    """
    opinions = _of_surrogates(task, attempt)
    if ask_others:
        opinions = [[*own, *others] for own, others in zip(opinions, _of_others(task, attempt), strict=True)]
    return [worst_first(of_face) for of_face in opinions]


def worst_first(opinions: Iterable[Opinion]) -> tuple[Opinion, ...]:
    """Those that still recognize a face, then by where they rank it."""
    return tuple(sorted(opinions, key=lambda opinion: (not opinion.recognizes, opinion.rank_after)))


def others_than(protector: Protector) -> list[Entry]:
    """Recognizers whose weights are on this machine and have a gallery, but for the protector's."""
    own = {surrogate.recognizer.sha256 for surrogate in protector.surrogates}
    return [
        entry
        for entry in manifest().values()
        if entry.sha256 not in own and entry.decoys_path is not None and entry.path.is_file()
    ]


def _attacked(protector: Protector) -> list[Entry]:
    """None by an obfuscation."""
    entries = manifest()
    names = [] if is_obfuscation(protector.options.method) else [s.recognizer.name for s in protector.surrogates]
    return [entries[name] for name in names]


def _of_surrogates(task: PhotoTask, attempt: Attempt) -> list[list[Opinion]]:
    """Only the first knows people: the others are asked about the face's own enrollment."""
    entries, attacked = manifest(), _attacked(task.protector)
    opinions: list[list[Opinion]] = [[] for _ in task.found]
    for at, (surrogate, enrollments) in enumerate(zip(task.surrogates, task.enrollments, strict=True)):
        name = surrogate.recognizer.name
        kind = class_of(entries[name], attacked)
        for row, found in enumerate(task.found):
            published, which = attempt.checks[row].published, 0 if at == 0 and found.person else -1
            shown = enrollments[row][which]
            before = _rank(surrogate, found.embedding if at == 0 else shown.prototype, shown)
            matches = None if surrogate.threshold is None else published.matching[at]
            opinions[row].append(Opinion(name, kind, before, published.ranks[at][which], matches))
    return opinions


def _of_others(task: PhotoTask, attempt: Attempt) -> list[list[Opinion]]:
    """A face is looked at where it was found again in the file as published."""
    after, attacked = decode_photo(attempt.data), _attacked(task.protector)
    found = [of_face.face.landmarks for of_face in task.found]
    again = [check.published.landmarks for check in attempt.checks]
    opinions: list[list[Opinion]] = [[] for _ in found]
    for entry in others_than(task.protector):
        recognizer = task.protector.load(entry.name, task.protector.device)
        other = Surrogate(recognizer, Gallery(recognizer.decoys))
        with task.timing.timed("verify"):
            clean = embed_faces(recognizer, task.photo.pixels, found)
            published = embed_faces(recognizer, after.pixels, again)
        for row, of_face in enumerate(opinions):
            itself = Enrollment(ITSELF, clean[row])
            before, now = (_rank(other, embedding, itself) for embedding in (clean[row], published[row]))
            matches = None if other.threshold is None else float(published[row] @ clean[row]) >= other.threshold
            of_face.append(Opinion(entry.name, class_of(entry, attacked), before, now, matches))
    return opinions


def _rank(surrogate: Surrogate, embedding: Tensor, enrollment: Enrollment) -> int:
    """Of a face (D,)."""
    return int(rank_of(surrogate.gallery.logits(embedding[None], [enrollment]), 0))
