"""How the commands print: results on stdout, progress and errors on stderr."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from deid.commands.summaries import outcome_of, photo_problem
from deid.commands.words import step_line
from deid.types import PhotoResult, finite

if TYPE_CHECKING:  # it loads numpy
    from deid.protection.progress import Step

FolderProgress = Callable[[int, int, PhotoResult], None]
"""Called after each photo of a folder: photos done, photos in all, the photo's result."""


class Progress(Protocol):
    """Called after each step: steps done, steps in all, what was done, and what was wrong with it."""

    def __call__(self, done: int, total: int, what: str, problem: str = "") -> None: ...


# Parts of the time, see `protection.timing`: those that go into looking at the saved file, and what others are.
CHECKS = ("detect", "verify", "codec")
SECONDS_BETWEEN_LINES = 5.0
_STEERING = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
PARTS = {"attack": "steps", "verify": "recognize", "codec": "encode and handle"}


def show(line: str) -> None:
    """A line of a result, on stdout."""
    _write(sys.stdout, plain(line))


def show_text(text: str) -> None:
    """Lines of a result, on stdout."""
    _write(sys.stdout, "\n".join(map(plain, text.split("\n"))))


def say(line: str) -> None:
    """A line of progress, on stderr."""
    _write(sys.stderr, plain(line))


def say_text(text: str) -> None:
    """Lines that are no result, on stderr."""
    _write(sys.stderr, "\n".join(map(plain, text.split("\n"))))


def complain(text: str) -> None:
    """An error, on stderr, in one line whatever its text holds."""
    _write(sys.stderr, plain(f"deid: {' '.join(text.split())}"))


def plain(line: str) -> str:
    """A line in which nothing steers the terminal: what a file is called may be meant to.

    Control characters, line ends among them, and the marks that turn the direction of writing (Unicode Technical Report
    36, 2.6.2) are shown as Python writes them.
    """
    return _STEERING.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), line)


def show_lines(lines: Sequence[str]) -> None:
    for line in lines:
        show(line)


def show_json(document: Any) -> None:
    show_text(json.dumps(finite(document), indent=2, allow_nan=False))


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


@contextmanager
def folder_progress() -> Iterator[FolderProgress]:
    """A bar with an estimate of the time left on a terminal, a line a photo elsewhere."""
    with progress("protecting") as advance:
        yield lambda done, total, result: advance(
            done, total, f"{result.input}: {outcome_of(result)}", photo_problem(result)
        )


@contextmanager
def photo_progress() -> Iterator[Callable[["Step"], None]]:
    """Who watches the attack on one photo: a bar for each round on a terminal, elsewhere now and then a line."""
    if not sys.stderr.isatty():
        yield _step_lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(20), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing", total=None)

        def watch(step: "Step") -> None:
            done, total = (step.pace.step, step.pace.steps) if step.pace else (None, None)
            bar.update(task, completed=done, total=total, description=step_line(step, numbered(step)))

        yield watch


def numbered(step: "Step") -> list[str]:
    """«face 3» for each chosen face, as the photo's result numbers them."""
    return [f"face {number}" for number in step.numbers or range(1, len(step.ranks) + 1)]


def _step_lines() -> Callable[["Step"], None]:
    """A line where a round begins or the file is looked at, and one every few seconds between."""
    last: tuple[int, bool] | None = None
    said = 0.0

    def watch(step: "Step") -> None:
        nonlocal last, said
        phase = (step.round, step.pace is None)
        if phase != last or time.monotonic() - said >= SECONDS_BETWEEN_LINES:
            last, said = phase, time.monotonic()
            say(step_line(step, numbered(step)))

    return watch


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
                bar.console.print(plain(problem), markup=False, highlight=False)

        yield advance


def _write(stream: TextIO, text: str) -> None:
    """Write a line at once. Where the reader has gone (`| head`), the rest is dropped in silence."""
    try:
        stream.write(text + "\n")
        stream.flush()
    except BrokenPipeError:
        # What is still buffered would be flushed at exit, and fail there once more with a traceback.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
