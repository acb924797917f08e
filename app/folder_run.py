"""A folder of photos behind the page: the run, its table, its zip."""

import hashlib
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from PIL import Image

from deid.commands.summaries import HIDDEN
from deid.types import FolderResult, Options, PhotoResult, counted_possible

from .protectors import protector_for
from .sessions import Session
from .uploads import Unpacked

THUMBNAIL = 72  # pixels


@dataclass(frozen=True)
class FolderRun:
    """A run that may be paused and gone on with: the same folders again."""

    originals: Unpacked
    output: Path


@dataclass(frozen=True)
class RunProgress:
    """searched: photos in which faces were looked for; rows: one a photo that is done."""

    total: int
    searched: int = 0
    rows: tuple[tuple[str, str, str, str], ...] = ()


def begin_run(originals: Unpacked, session: Session) -> FolderRun:
    """A new run; its journal, which tells every rank, goes with the session."""
    from deid.batch.journal import journal_path

    output = session.new_folder()
    journal = journal_path(output)
    session.elsewhere.extend([journal, journal.with_name(f"{journal.name}-journal")])
    return FolderRun(originals, output)


def run_folder(
    run: FolderRun, options: Options, on_progress: Callable[[RunProgress], None], cancel: threading.Event
) -> FolderResult:
    """Protect what is not done yet. Raises Cancelled soon after `cancel` is set; what is done stays done."""
    from deid.batch.folder import protect_folder
    from deid.errors import Cancelled

    progress = RunProgress(run.originals.count)

    def check() -> None:
        if cancel.is_set():
            raise Cancelled

    def on_search() -> None:
        nonlocal progress
        check()
        progress = replace(progress, searched=progress.searched + 1)
        on_progress(progress)

    def on_photo(done: int, total: int, result: PhotoResult) -> None:
        nonlocal progress
        progress = replace(progress, total=total, rows=(*progress.rows, row_of(result, run)))
        on_progress(progress)
        check()

    return protect_folder(
        run.originals.folder,
        run.output,
        options,
        protector=protector_for(options),
        progress=on_photo,
        watcher=lambda step: check(),
        on_search=on_search,
    )


def row_of(result: PhotoResult, run: FolderRun) -> tuple[str, str, str, str]:
    """Thumbnail, name, outcome, and what there is to say."""
    path = Path(result.input)
    name = str(path.relative_to(run.originals.folder))
    # What was done before a pause is as good as new.
    outcome = "protected" if result.outcome == "skipped" else result.outcome
    chosen = sum(face.rank_after is not None for face in result.faces)
    faces = f"{chosen} face{'' if chosen == 1 else 's'}" if chosen else ""
    hidden = [HIDDEN[face.fallback] for face in result.faces if face.fallback is not None]
    fallbacks = f"{len(hidden)} {hidden[0]} instead" if hidden and outcome == "protected" else ""
    message = "" if result.outcome == "skipped" else result.message.removeprefix(f"{path}: ")
    left = ""
    if (count := len(result.possible)) and outcome != "no-face":  # there the message says it
        left = f"{counted_possible(count)} left as {'it is' if count == 1 else 'they are'}"
    return _thumbnail(path, run), name, outcome, " · ".join(part for part in (faces, left, fallbacks, message) if part)


def table_rows(rows: Sequence[tuple[str, str, str, str]], left_out: Sequence[tuple[str, str]]) -> list[list[str]]:
    return [list(row) for row in rows] + [["", name, "left out", reason] for name, reason in left_out]


def results_zip(run: FolderRun, result: FolderResult, *, include_faceless: bool) -> Path | None:
    """The photos that were written; those without a face too if asked, without their metadata. None if it is empty."""
    from deid.images.formats import output_format
    from deid.images.photo import encode_photo, read_photo

    path = run.output.with_name(f"{run.output.name}.zip")
    count = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # photos are compressed already
        for photo in result.photos:
            name = Path(photo.input).relative_to(run.originals.folder)
            if photo.output is not None:
                archive.write(photo.output, Path(photo.output).relative_to(run.output))
                count += 1
            elif include_faceless and photo.outcome == "no-face":
                clean = read_photo(Path(photo.input))
                data = encode_photo(clean, file_format=output_format(clean.format), keep_metadata=False)
                archive.writestr(str(name), data)
                count += 1
    return path if count else None


def _thumbnail(path: Path, run: FolderRun) -> str:
    """An image tag for the table, from the session's own folder; empty for what cannot be shown."""
    from deid.errors import ImageError
    from deid.images.photo import read_photo

    folder = run.output.with_name(f"{run.output.name}-thumbnails")
    small = folder / f"{hashlib.sha256(bytes(path)).hexdigest()[:16]}.jpg"
    folder.mkdir(exist_ok=True)
    if not small.is_file():
        try:
            picture = Image.fromarray(read_photo(path).pixels).convert("RGB")
        except ImageError:
            return ""
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        picture.save(small, quality=80)
    return f'<img src="gradio_api/file={small}" alt="{escape(path.name)}" loading="lazy" style="max-height: 48px">'
