"""What the commands print: results on stdout, progress and errors on stderr."""

import json
import os
import shlex
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO

from deid.types import FaceResult, FolderResult, Options, PhotoResult, counted_possible, finite

FolderProgress = Callable[[int, int, PhotoResult], None]
"""Called after each photo of a folder: photos done, photos in all, the photo's result."""


class Progress(Protocol):
    """Called after each step: steps done, steps in all, what was done, and what was wrong with it."""

    def __call__(self, done: int, total: int, what: str, problem: str = "") -> None: ...


# Parts of the time, see `protection.timing`: those that go into looking at the saved file, and what others are.
CHECKS = ("detect", "verify", "codec")
PARTS = {"attack": "steps", "verify": "recognize", "codec": "encode and handle"}
HIDDEN = {"blur": "blurred", "pixelate": "pixelated"}
NOT_LISTED = "a face that is not listed here was not found: it is as it was"
MOST_NAMES = 5  # of photos in one line
_ORDER = ("protected", "failed", "no-face", "unreadable", "skipped")


def show(text: str) -> None:
    """A result, on stdout."""
    _write(sys.stdout, text)


def say(text: str) -> None:
    """Progress, on stderr."""
    _write(sys.stderr, text)


def complain(text: str) -> None:
    """An error, on stderr, in one line whatever its text holds."""
    _write(sys.stderr, f"deid: {' '.join(text.split())}")


def show_lines(lines: Sequence[str]) -> None:
    for line in lines:
        show(line)


def show_json(document: Any) -> None:
    show(json.dumps(finite(document), indent=2, allow_nan=False))


def say_timing(result: PhotoResult) -> None:
    """Where the seconds went: those of the attack and those of the check, each with its parts, the largest first."""
    total = sum(result.timing.values()) or 1.0
    for name, seconds in _grouped(result.timing):
        say(f"  {name:<24} {seconds:8.2f} s  {seconds / total:4.0%}")
    evaluations = max((face.gradient_evaluations for face in result.faces), default=0)
    say(f"  gradient evaluations of the face that took most: {evaluations}")


def _grouped(timing: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Each group with what it took in all, then its parts, indented."""
    groups = {"check": [name for name in timing if name in CHECKS]}
    groups["attack"] = [name for name in timing if name not in CHECKS]
    for group, names in sorted(groups.items(), key=lambda of: -sum(timing[name] for name in of[1])):
        yield group, sum(timing[name] for name in names)
        for name in sorted(names, key=lambda name: -timing[name]):
            yield f"  {PARTS.get(name, name)}", timing[name]


def photo_summary(result: PhotoResult, gallery: int | None, *, sure: float = Options.sure) -> list[str]:
    """One line a face, where the file is, and last how many possible faces are left; nothing for a photo without any.

    gallery: how many identities the ranks are among; None leaves that out.
    sure: as the search was told.
    """
    if not result.faces:
        return _left_possible(result, sure)
    lines = [f"face {n}: {_face_line(face, gallery, result.method)}" for n, face in enumerate(result.faces, 1)]
    if result.output is None:
        return [*lines, f"nothing was written{_way_out(result)}", *_left_possible(result, sure)]
    state = "written although not verified" if result.outcome == "failed" else "saved and verified"
    return [*lines, f"{state}: {result.output}", NOT_LISTED, *_left_possible(result, sure)]


def _way_out(result: PhotoResult) -> str:
    """What helps where a face failed; empty where none did."""
    if all(face.outcome != "failed" for face in result.faces):
        return ""
    if _uncontrolled([result]):
        return "; a higher --strength hides more, --except leaves one out"
    if any(face.fallback for face in result.faces):
        return "; --except leaves one out"
    return "; --fallback hides a face that cannot be protected, --except leaves one out"


def _left_possible(result: PhotoResult, sure: float) -> list[str]:
    """How many possible faces of a photo are left and what to do about them, in a line; none where there are none."""
    if not (count := len(result.possible)):
        return []
    are, them, one = ("it is", "it", "it") if count == 1 else ("they are", "them", "one")
    return [
        f"{counted_possible(count)} left as {are}: look at {them} "
        f"({command_for('faces', shlex.quote(result.input), sure)} shows {them}, --faces 'all,?1' takes {one} in)"
    ]


def command_for(command: str, photo: str, sure: float) -> str:
    """What finds the same faces of a photo, by the same numbers."""
    return f"deid {command} {photo}" + (f" --sure {sure:g}" if sure != Options.sure else "")


def folder_summary(result: FolderResult, *, sure: float = Options.sure) -> list[str]:
    """Counts, possible faces left, every photo that is not protected, and what the folder's faces have come to.

    sure: as the search was told.
    """
    counts = ", ".join(f"{result.counts[name]} {name}" for name in _ORDER if result.counts.get(name))
    lines = [f"photos: {len(result.photos)}" + (f" ({counts})" if counts else "")]
    if names := [photo.input for photo in result.photos if photo.possible]:
        count = sum(len(photo.possible) for photo in result.photos)
        more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        lines[0] += (
            f"; {counted_possible(count)} in {len(names)} of them left as {'it is' if count == 1 else 'they are'}: "
            f"{listed([*names[:MOST_NAMES], *more])}"
        )
        lines.append(
            f"{command_for('faces', 'PHOTO', sure)} shows them, deid photo PHOTO --faces 'all,?1' takes one in"
        )
    lines += [problem for photo in result.photos if (problem := photo_problem(photo))]
    if result.pmf:
        shares = ", ".join(f"{rank}: {share:.0%}" for rank, share in result.pmf.items())
        level = "" if _uncontrolled(result.photos) else f", K = {result.k_level}"
        lines.append(f"share of the faces at each rank{level}: {shares}")
    faces = [face for photo in result.photos for face in photo.faces]
    if ssim := [face.ssim for face in faces if face.ssim is not None]:
        lines.append(f"SSIM of the faces: median {statistics.median(ssim):.3f}, worst {min(ssim):.3f}")
    if hidden := Counter(face.fallback for face in faces if face.fallback is not None):
        counts = ", ".join(f"{count} {HIDDEN[method]}" for method, count in hidden.items())
        lines.append(f"faces that {result.photos[0].method} could not protect: {counts} instead")
    compared = [face.matches_at_far_1e_2 for face in faces if face.matches_at_far_1e_2 is not None]
    if compared:
        lines.append(
            "compared one to one with the clean photo, "
            f"{sum(compared)} of {len(compared)} faces still match at FAR 1e-2"
        )
    return lines


def listed(names: Sequence[str]) -> str:
    """«a», «a and b», «a, b and c»."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def limits(results: Sequence[PhotoResult]) -> list[str]:
    """What no summary may leave out, in one line; no line where no face was worked on."""
    # Of a photo that failed nothing is out in the world.
    results = [result for result in results if result.outcome != "failed" or result.output is not None]
    weights = [result.weights for result in results if any(face.rank_after is not None for face in result.faces)]
    if not weights:
        return []
    last = results[0].k_level + 1
    standing = [face.rank_after for result in results for face in result.faces if face.rank_after is not None]
    ranks = f"The true identity is still among the first {last} candidates, by design"
    if beyond := sum(rank > last for rank in standing):
        ranks = f"The true identity of {beyond} of {len(standing)} faces is beyond the first {last} candidates"
    if _uncontrolled(results):
        methods = {face.fallback or result.method for result in results for face in result.faces if face.rank_after}
        ranks = f"Ranks are not controlled by {listed(sorted(methods))}"
    return [f"{ranks}; protection is against {listed(list(weights[0]))}, other recognizers may still match."]


def photo_problem(result: PhotoResult) -> str:
    """Why a photo is not protected, in one line with its name; empty where nothing is wrong."""
    if result.outcome in ("protected", "skipped"):
        return ""
    reasons = {"no-face": "no face was found", "failed": "a face could not be verified as protected"}
    return result.message or f"{result.input}: {reasons.get(result.outcome, result.outcome)}"


@contextmanager
def folder_progress() -> Iterator[FolderProgress]:
    """A bar with an estimate of the time left on a terminal, a line a photo elsewhere."""
    with progress("protecting") as advance:
        yield lambda done, total, result: advance(
            done, total, f"{result.input}: {result.outcome}", photo_problem(result)
        )


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """A bar with an estimate of the time left on a terminal, a line a step elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total, what, problem="": say(f"{title} [{done}/{total}] {what}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int, what: str, problem: str = "") -> None:
            bar.update(task, completed=done, total=total)
            if problem:
                bar.console.print(problem, markup=False, highlight=False)

        yield advance


def _uncontrolled(results: Sequence[PhotoResult]) -> bool:
    """Whether no chosen face has a rank group k: so it is with blur and pixelate."""
    return all(face.k is None for result in results for face in result.faces)


def _face_line(face: FaceResult, gallery: int | None, method: str) -> str:
    if face.outcome == "skipped" or face.rank_after is None:
        return "left as it was"
    size = f" of {gallery:,}" if gallery else ""
    parts = [f"rank {face.rank_before} → {face.rank_after}{size}"]
    if face.k is not None and face.rank_after != face.k:
        parts[0] += f" (asked for {face.k})"
    elif face.k is not None and not face.exact:
        parts[0] += ", elsewhere after handling"
    if face.fallback is not None:
        parts.insert(0, HIDDEN[face.fallback] + " instead")
    if face.outcome == "failed":
        parts.insert(0, "NOT PROTECTED")
    if face.outcome == "not-recognized":
        parts.insert(0, "not recognized even when clean")
    if face.fallback is None and face.attack not in (None, method):  # a profile may run another attack first
        parts.append(f"by {face.attack}")
    if face.ssim is not None:
        parts.append(f"SSIM {face.ssim:.3f}")
    if face.matches_at_far_1e_2 is not None:
        verb = "still matches" if face.matches_at_far_1e_2 else "no longer matches"
        parts.append(f"compared one to one with the clean photo it {verb} at FAR 1e-2")
    return ", ".join(parts)


def _write(stream: TextIO, text: str) -> None:
    """Write a line at once. Where the reader has gone (`| head`), the rest is dropped in silence."""
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        # What is still buffered would be flushed at exit, and fail there once more with a traceback.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
