"""Audits behind the page: made, read again, checked, packed."""

import shutil
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .sessions import Refused, Session
from .uploads import unpack


@dataclass(frozen=True)
class Report:
    """page: the shared part as HTML. shared, private: zips of the two parts, None where there is none."""

    page: str
    verdict: str
    shared: Path | None = None
    private: Path | None = None
    differences: tuple[str, ...] | None = None


def audit_folders(
    originals: Path,
    published: Path,
    k_level: int | None,
    folder: Path,
    on_progress: Callable[[tuple[int, int]], None],
    cancel: threading.Event,
    journal: Path | None = None,
) -> Report:
    """Audit and write the report into `folder`.

    k_level: what was promised; None for the run's own.
    on_progress: is told how many photos are done, and how many there are.
    cancel: asks the audit to end.
    journal: of the run that made the published photos; None for what this computer has of it.

    Raises Cancelled soon after `cancel` is set, and UsageError.
    """
    from deid.audit.report.folder import write_report
    from deid.audit.run import AuditOptions, audit
    from deid.errors import Cancelled
    from deid.recognizers.device import device_for

    def progress(done: int, total: int, what: str) -> None:
        if cancel.is_set():
            raise Cancelled
        on_progress((done, total))

    report = folder / "report"
    options = AuditOptions(
        k_level=k_level,
        device=device_for("auto"),
        journals=(journal,) if journal else (),
        # It could not go on: these photos are about to be deleted, and this goes with them.
        state=folder,
    )
    audited = audit(
        originals,
        [published],
        options,
        progress=progress,
        keep=lambda audited: write_report(audited, report, [originals, published]),
    )
    return Report(
        (report / "shared" / "report.html").read_text(encoding="utf-8"),
        audited.document["verdict"],
        _packed(report / "shared", folder / "audit-report.zip"),
        _packed(report / "private", folder / "audit-PRIVATE.zip"),
    )


def check_journal(file: Path) -> None:
    """Raises Refused for what is no journal of a run."""
    from deid.audit.provenance import made_by
    from deid.errors import UsageError

    try:
        run = made_by(file.parent, file)
    except UsageError:
        run = None
    if run is None:
        raise Refused("This is not the journal of a run: it is a file *.sqlite that a run over a folder leaves.")


def read_report(file: Path, published: Path | None, folder: Path) -> Report:
    """A report.json made earlier: its page, and what differs today. Raises Refused for what is no report."""
    from deid.audit.report import html
    from deid.audit.report.folder import check_report
    from deid.audit.report.reading import read_document
    from deid.errors import UsageError

    shared = folder / "report" / "shared"
    shared.mkdir(parents=True)
    shutil.move(file, shared / "report.json")
    try:
        document = read_document(shared / "report.json")
        page = html.render(document)
        (shared / "report.html").write_text(page, encoding="utf-8")
        checked = check_report(folder / "report", [published] if published else [])
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, UsageError) as error:
        raise Refused("This is not a report of this program: it takes the report.json of an audit.") from error
    # Paths of this session's folders tell the user nothing.
    lines = tuple(line.replace(f"{published}/", "") for line in checked.differences)
    return Report(page, str(document.get("verdict")), differences=lines)


def take_photos(files: Sequence[Path], session: Session) -> Path:
    """Uploaded photos or zips in a folder of their own. Raises Refused."""
    unpacked = unpack(files, session.new_folder())
    if not unpacked.count:
        raise Refused("There is no photo in what you chose.")
    # A zip of one folder is that folder: originals and published photos are matched by their paths.
    inside = [path for path in unpacked.folder.iterdir() if path.is_dir()]
    only = len(inside) == 1 and not any(path.is_file() for path in unpacked.folder.iterdir())
    return inside[0] if only else unpacked.folder


def _packed(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return target
