"""One photo: read → detect → attack, or obfuscate → encode → look again at the encoded file → result, and write."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytorch_msssim import ssim
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.anonymity.groups import draw_groups, secret_rng, seeded_rng
from deid.errors import OutputExists, UnreadableImage, UsageError
from deid.faces.obfuscation import OBFUSCATIONS
from deid.images.formats import output_format
from deid.images.photo import read_photo
from deid.losses.cw_ssim import cw_ssim
from deid.protection.fallback import fall_back, obfuscate
from deid.protection.profiles import PROFILES
from deid.protection.protector import FoundFace, Protector
from deid.protection.rounds import Attempt, is_exact, run_rounds, shortcoming
from deid.protection.verification import Look
from deid.storage.atomic import same_file, write_atomically
from deid.types import FaceOutcome, FaceResult, Options, Outcome, PhotoResult

__all__ = ["Draw", "FoundFace", "Processed", "Protector", "process_photo", "protect"]

# The chosen faces of one photo → a rank group k in 2..K+1 for each.
Draw = Callable[[Sequence[FoundFace]], Sequence[int]]


@dataclass(frozen=True, eq=False)
class Processed:
    """A photo before it is written. data: the encoded file, None when nothing may be written; found: all its faces."""

    result: PhotoResult
    data: bytes | None
    found: tuple[FoundFace, ...] = ()


def output_suffix(path: Path) -> str:
    """The suffix of a protected photo: its own, but PNG for a GIF, whose palette would undo the protection."""
    return ".png" if path.suffix.lower() == ".gif" else path.suffix


def protect(input: Path, output: Path | None, options: Options, *, protector: Protector | None = None) -> PhotoResult:
    """Protect one photo and write it; an unreadable or faceless photo is an outcome, nothing is written then.

    output: default beside the input, NAME-protected.SUFFIX. Raises UsageError, OutputExists, CannotWrite,
    UnsupportedFormat, CheckpointError.
    """
    target = output or input.with_name(f"{input.stem}-protected{output_suffix(input)}")
    if input.exists() and target.exists() and same_file(input, target):
        raise UsageError(f"{target} is the photo itself: an original is never overwritten")
    if target.exists() and not options.overwrite:
        raise OutputExists(f"{target} exists already: --overwrite replaces it")
    protector = protector or Protector(options)
    rng = secret_rng() if options.seed is None else seeded_rng(options.seed)
    processed = process_photo(input, target, protector, lambda faces: draw_groups(len(faces), options.k_level, rng))
    if processed.data is None:
        return processed.result
    write_atomically(processed.data, target, overwrite=options.overwrite)
    return replace(processed.result, output=str(target))


def process_photo(input: Path, output: Path, protector: Protector, draw: Draw) -> Processed:
    """Everything but writing; the output's suffix decides the format. Never raises for a bad photo.

    Raises UsageError for a face number that is not there, UnsupportedFormat for the output's suffix.
    """
    started = time.perf_counter()
    options = protector.options

    def result(outcome: Outcome, message: str, faces: tuple[FaceResult, ...] = (), **more: object) -> PhotoResult:
        return PhotoResult(
            input=str(input),
            output=None,
            outcome=outcome,
            profile=options.profile,
            method=options.method,
            k_level=options.k_level,
            faces=faces,
            seconds=time.perf_counter() - started,
            versions=protector.versions,
            weights={one.recognizer.name: one.recognizer.sha256 for one in protector.surrogates},
            message=message,
            **more,  # type: ignore[arg-type]
        )

    try:
        photo = read_photo(input)
    except UnreadableImage as error:
        return Processed(result("unreadable", f"{input}: {error}"), None)
    format = output_format(photo.format, output)
    found = protector.find(photo)
    if not found:
        return Processed(result("no-face", f"{input}: no face found, so nothing was written"), None)
    chosen = protector.choose(found)
    wanted = [found[i] for i in chosen]
    ks: Sequence[int | None]
    if options.method in OBFUSCATIONS:  # ranks fall as they may: there is no k to draw
        ks, attempt = [None] * len(wanted), obfuscate(photo, wanted, protector, format)
    else:
        drawn = draw(wanted)
        attempt = run_rounds(photo, wanted, drawn, protector, format)
        if options.fallback is not None:
            attempt = fall_back(photo, wanted, drawn, attempt, options.fallback, protector, format)
        ks = [None if at in attempt.hidden else k for at, k in enumerate(drawn)]
    records = [_untouched(f) for f in found]
    for at, i in enumerate(chosen):
        records[i] = _face_result(found[i], ks[at], attempt, at, protector)
    faces = tuple(records)
    profile = PROFILES[options.profile]
    failed = [
        f"face {i + 1} could not be protected ({shortcoming(attempt.looks[at], profile)})"
        for at, i in enumerate(chosen)
        if faces[i].outcome == "failed"
    ]
    if not failed:
        return Processed(result("protected", "", faces, costs=attempt.costs.seconds), attempt.data, tuple(found))
    message = f"{input}: {'; '.join(failed)}"
    if options.write_unverified:
        written = f"{message}; written all the same, as asked"
        return Processed(result("failed", written, faces, costs=attempt.costs.seconds), attempt.data, tuple(found))
    return Processed(
        result("failed", f"{message}, so nothing was written", faces, costs=attempt.costs.seconds), None, tuple(found)
    )


def _untouched(found: FoundFace) -> FaceResult:
    return FaceResult(box=found.face.box, identity=found.person or "itself", outcome="skipped")


def _face_result(found: FoundFace, k: int | None, attempt: Attempt, row: int, protector: Protector) -> FaceResult:
    """The record of one chosen face, from the last look at the encoded file. k: None if it was to stand at no rank."""
    enrollments = protector.enrollments(found)
    shown, look = enrollments[0], attempt.looks[row]
    published = look.published
    clean_rank = int(rank_of(protector.gallery.logits(found.embedding[None], [shown]), 0))
    before = float(found.embedding @ shown.prototype)
    threshold = protector.recognizer.thresholds.get("1e-2")
    clean, after = attempt.clean[row : row + 1], look.aligned[None]
    return FaceResult(
        box=found.face.box,
        identity=shown.name,
        outcome=_outcome(look, clean_rank, protector),
        k=k,
        exact=k is not None and is_exact(look, k),
        rank_before=clean_rank,
        rank_after=published.ranks[0][0],
        similarity_before=before,
        similarity_after=published.similarities[0][0],
        matches_at_far_1e_2=None if threshold is None else max(published.similarities[0]) >= threshold,
        ssim=ssim(clean, after, data_range=1, win_size=7).item(),
        cw_ssim=float(cw_ssim(clean, after)),
        psnr=_psnr(clean, after),
        gradient_evaluations=attempt.evaluations[row],
        fallback=protector.options.fallback if row in attempt.hidden else None,
    )


def _outcome(look: Look, clean_rank: int, protector: Protector) -> FaceOutcome:
    if shortcoming(look, PROFILES[protector.options.profile]):
        return "failed"
    return "protected" if clean_rank == 1 else "not-recognized"


def _psnr(clean: Tensor, after: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, at most 99 (equal images)."""
    error = float((clean - after).square().mean())
    return min(99.0, -10 * math.log10(max(error, 1e-12)))
