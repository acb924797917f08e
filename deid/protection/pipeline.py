"""One photo: read → detect → attack, or obfuscate → encode → look again at the encoded file → result, and write."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytorch_msssim import ssim

from deid.anonymity.conditions import rank_of
from deid.anonymity.groups import draw_groups, secret_rng, seeded_rng
from deid.errors import OutputExists, UnreadableImage
from deid.faces.face import Face
from deid.images.formats import output_format, output_suffix
from deid.images.photo import Photo, read_photo
from deid.losses.cw_ssim import cw_ssim
from deid.losses.psnr import psnr
from deid.methods import is_obfuscation
from deid.protection.attempt import Attempt
from deid.protection.beside import beside
from deid.protection.choice import choose
from deid.protection.criteria import is_exact, shortcoming
from deid.protection.enrollment import FoundFace
from deid.protection.fallback import fall_back, obfuscate
from deid.protection.opinions import opinions_of
from deid.protection.own_photos import MINE
from deid.protection.progress import Watcher, nobody_watches
from deid.protection.protector import Protector, load_protector, versions
from deid.protection.rounds import run_rounds
from deid.protection.task import PhotoTask, task_of
from deid.protection.verification import shining_through
from deid.storage.atomic import Identity, identities, keep_off, write_atomically
from deid.types import FaceOutcome, FaceResult, Options, Outcome, PhotoResult, PossibleFace, counted_possible

# The chosen faces of one photo → a rank group k in 2..K+1 for each.
Draw = Callable[[Sequence[FoundFace]], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Processed:
    """A photo before it is written. data: the encoded file, None when nothing may be written; found: all its faces."""

    result: PhotoResult
    data: bytes | None
    found: tuple[FoundFace, ...] = ()


def protect(
    source: Path,
    target: Path | None,
    options: Options,
    *,
    protector: Protector | None = None,
    watcher: Watcher = nobody_watches,
) -> PhotoResult:
    """Protect one photo and write it; an unreadable or faceless photo is an outcome, nothing is written then.

    Of what is written every recognizer on this machine is asked, also those that were not attacked. (A folder asks only
    those that were: its audit asks the others.)

    target: default beside the photo, NAME-protected.SUFFIX: see `beside`.
    protector: loaded before, with these options; None: loaded now.
    watcher: is told of every step; whatever it raises ends the run, and nothing is written.

    Raises UsageError, OutputExists, CannotWrite, UnsupportedFormat, CheckpointError.
    """
    target = target or beside(source, output_suffix(source))
    kept = identities([source], "the photo itself") | kept_references(options)
    keep_off(target, kept)
    if target.exists() and not options.overwrite:
        raise OutputExists(f"{target} exists already: --overwrite replaces it")
    protector = protector or load_protector(options)
    rng = secret_rng() if options.seed is None else seeded_rng(options.seed)
    processed = process_photo(
        source,
        target,
        protector,
        lambda faces: draw_groups(len(faces), options.k_level, rng),
        ask_others=True,
        watcher=watcher,
    )
    if processed.data is None:
        return processed.result
    kept |= identities([source], "the photo itself")  # it may have been saved anew meanwhile, as another file
    date = kept_date(source, options)
    write_atomically(processed.data, target, overwrite=options.overwrite, kept=kept, date=date)
    return replace(processed.result, output=str(target))


def kept_date(source: Path, options: Options) -> int | None:
    """When the photo was last changed, for its protected version, where that is to be kept; see `write_atomically`."""
    try:
        return source.stat().st_mtime_ns if options.keep_metadata else None
    except OSError:  # gone meanwhile
        return None


def kept_references(options: Options) -> dict[Identity, str]:
    """The photos of people that the options name, not to be written to: see `write_atomically`."""
    folders = [folder for folder in (options.people, options.mine) if folder is not None]
    return identities(
        (path for folder in folders for path in folder.rglob("*") if path.is_file()), "a photo of a person"
    )


def process_photo(
    source: Path,
    target: Path,
    protector: Protector,
    draw: Draw,
    *,
    ask_others: bool = False,
    watcher: Watcher = nobody_watches,
) -> Processed:
    """Everything but writing; the target's suffix decides the format. Never raises for a bad photo.

    ask_others: also recognizers that were not attacked, of a photo that may be written.

    Raises UsageError for a face number that is not there, UnsupportedFormat for the target's suffix, CheckpointError
    for a recognizer that is to be asked and cannot be loaded.
    """
    started, options = time.perf_counter(), protector.options
    try:
        photo = read_photo(source)
    except UnreadableImage as error:
        return Processed(ended(source, protector, "unreadable", f"{source}: {error}", started), None)
    file_format = output_format(photo.format, target)
    found, chosen, possible = choose(photo, protector)
    ks = draw([found[i] for i in chosen]) if chosen and not is_obfuscation(options.method) else []
    return process_faces(
        source,
        photo,
        file_format,
        found,
        chosen,
        ks,
        protector,
        possible=possible,
        started=started,
        ask_others=ask_others,
        watcher=watcher,
    )


def process_faces(
    source: Path,
    photo: Photo,
    file_format: str,
    found: Sequence[FoundFace],
    chosen: Sequence[int],
    ks: Sequence[int],
    protector: Protector,
    *,
    possible: Sequence[Face] = (),
    started: float,
    ask_others: bool = False,
    watcher: Watcher = nobody_watches,
) -> Processed:
    """As `process_photo`, of a photo whose faces are found and whose ks are drawn.

    file_format: of the output, as Pillow names it.
    found: all its faces; chosen: indices of those to protect.
    ks: of the chosen ones; none for an obfuscation, where ranks fall as they may.
    possible: what no detector is sure of, and is left as it is.
    started: by `time.perf_counter`.
    """
    options = protector.options
    left = tuple(PossibleFace(face.box, face.probability) for face in possible)
    if not found:
        message = f"{source}: no face found, so nothing was written"
        if left:
            message = f"{source}: no face found but {counted_possible(len(left))}, so nothing was written"
        return Processed(replace(ended(source, protector, "no-face", message, started), possible=left), None)
    numbers = tuple(i + 1 for i in chosen)
    task = task_of(
        photo,
        [found[i] for i in chosen],
        ks,
        protector,
        file_format,
        lambda step: watcher(replace(step, numbers=numbers)),
    )
    attempt = _attempt(task)
    failed = [
        f"face {i + 1} could not be protected ({why})"
        for row, i in enumerate(chosen)
        if (why := shortcoming(attempt.checks[row], task.profile))
    ]
    failed += shining_through(photo, [f.face for f in found], task.chain.device)
    asked = opinions_of(task, attempt, ask_others=ask_others and (not failed or options.write_unverified))
    records = [_untouched(f) for f in found]
    for row, i in enumerate(chosen):
        records[i] = replace(_face_result(task, attempt, row), recognizers=asked[row])
    outcome: Outcome = "failed" if failed else "protected"
    said = [*failed, *(photo.notes if not failed or options.write_unverified else ())]
    message = f"{source}: {'; '.join(said)}" if said else ""
    data: bytes | None = attempt.data
    if failed and options.write_unverified:
        message += "; written all the same, as asked"
    elif failed:
        message, data = f"{message}, so nothing was written", None
    result = ended(source, protector, outcome, message, started)
    return Processed(
        replace(result, faces=tuple(records), possible=left, timing=task.timing.seconds), data, tuple(found)
    )


def _attempt(task: PhotoTask) -> Attempt:
    """By whatever the options ask for."""
    options = task.protector.options
    if is_obfuscation(options.method):
        return obfuscate(task)
    attempt = run_rounds(task)
    return attempt if options.fallback is None else fall_back(task, attempt, options.fallback)


def ended(source: Path, protector: Protector, outcome: Outcome, message: str, started: float) -> PhotoResult:
    """The result of a photo, without its faces. started: by `time.perf_counter`."""
    options = protector.options
    return PhotoResult(
        input=str(source),
        output=None,
        outcome=outcome,
        profile=options.profile,
        method=options.method,
        k_level=options.k_level,
        seconds=time.perf_counter() - started,
        versions=versions(),
        weights={surrogate.recognizer.name: surrogate.recognizer.sha256 for surrogate in protector.surrogates},
        message=message,
    )


def _untouched(found: FoundFace) -> FaceResult:
    return FaceResult(box=found.face.box, identity=found.person or "itself", outcome="skipped")


def _face_result(task: PhotoTask, attempt: Attempt, row: int) -> FaceResult:
    """The record of one chosen face, from the last look at the encoded file."""
    found, check, surrogate = task.found[row], attempt.checks[row], task.surrogates[0]
    which = 0 if found.person else -1
    shown, published = task.enrollments[0][row][which], check.published
    clean_rank = int(rank_of(surrogate.gallery.logits(found.embedding[None], [shown]), 0))
    hidden = row in attempt.hidden
    k = None if hidden else task.ks[row]
    clean, after = attempt.clean[row : row + 1], check.aligned[None]
    outcome: FaceOutcome = "protected" if clean_rank == 1 else "not-recognized"
    if shortcoming(check, task.profile):
        outcome = "failed"
    return FaceResult(
        box=found.face.box,
        identity=shown.name,
        outcome=outcome,
        k=k,
        exact=k is not None and is_exact(check, k),
        rank_before=clean_rank,
        rank_after=published.ranks[0][which],
        similarity_before=float(found.embedding @ shown.prototype),
        similarity_after=published.similarities[0][which],
        matches_at_far_1e_2=None if surrogate.threshold is None else published.matching[0],
        ssim=ssim(clean, after, data_range=1, win_size=7).item(),
        cw_ssim=float(cw_ssim(clean, after)),
        psnr=float(psnr(clean, after)),
        gradient_evaluations=attempt.evaluations[row],
        attack=", ".join(attempt.attacks[row]) or None,
        fallback=task.protector.options.fallback if hidden else None,
        mine=any(enrollment.name == MINE for enrollment in task.enrollments[0][row]),
    )
