"""The command `deid audit`."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from sys import stderr
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deid.commands import output
from deid.commands.options import Device, OnDevice
from deid.errors import UsageError

if TYPE_CHECKING:
    from deid.audit.report.folder import Checked

EXIT = {"met": 0, "violated": 6, "too few": 7, "inconclusive": 7}
CHANGED = 8


def audit(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="ORIGINALS PUBLISHED...", help="One or several published versions.")
    ] = None,
    k_level: Annotated[
        int | None, typer.Option("-k", "--k-level", min=1, help="The level promised; the run's own, else 5.")
    ] = None,
    people: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Who is who: a folder of photos for each person.")
    ] = None,
    gallery: Annotated[Path | None, typer.Option(metavar="DIR", help="Photos of real other people.")] = None,
    against: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A recognizer, repeatable; all without.")
    ] = None,
    defense: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Ask each behind a defense, too; repeatable.")
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the report, shared and private.")] = None,
    sign: Annotated[Path | None, typer.Option(metavar="KEY", help="Sign it: an Ed25519 private key (PEM).")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of one photo a person, fresh decoys, defenses.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="The report on stdout.")] = False,
    check: Annotated[Path | None, typer.Option(metavar="DIR", help="Check a report; PUBLISHED... may follow.")] = None,
    device: OnDevice = Device.auto,
) -> int:
    """What recognizers make of a published set of photos, whoever protected it.

    Exit: 0 conditions met, 2 usage, 6 violated, 7 inconclusive or too few photos, 8 files or report changed since.
    """
    if check is not None:
        return _check(check, folders or [], json)
    if not folders or len(folders) < 2:
        raise UsageError("an audit needs a folder of originals and at least one of published photos")
    if sign is not None and report is None:
        raise UsageError("--sign signs a report: say where with --report DIR")
    options = {"k_level": k_level, "people": people, "gallery": gallery, "against": tuple(against or ()), "seed": seed}
    defenses = tuple(defense or ())
    whole, shared = run(folders[0], folders[1:], report, sign, device=device.value, defenses=defenses, **options)
    if json:
        output.show_json(shared)
    else:
        output.show_lines(_lines(whole, folders[1:], report))
    # Of the whole document: the shared one of a small set withholds what a verdict needs.
    return EXIT[whole["verdict"]]


def check_folder(report: Path, photos: Sequence[Path | None]) -> None:
    """Raises UsageError before any work is done for a report that has no place. photos: folders it must keep off."""
    from deid.audit.report.folder import check_folder as check

    check(report, [folder for folder in photos if folder is not None])


def run(
    originals: Path,
    published: list[Path],
    report: Path | None,
    sign: Path | None = None,
    *,
    device: str,
    **options: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Audit, write the report if there is a place for it; the whole document and the shared one."""
    with redirect_stdout(stderr):  # whatever a library prints does not belong to the result
        from deid.audit.report import folder as reports
        from deid.audit.report.document import shared_part
        from deid.audit.run import Audited, AuditOptions
        from deid.audit.run import audit as run_audit
        from deid.recognizers.device import device_for

        asked = AuditOptions(device=device_for(device), **options)
        photos = [folder for folder in (originals, *published, asked.people, asked.gallery) if folder is not None]

        def keep(audited: Audited) -> None:
            if report is not None:
                reports.write_report(audited, report, photos, sign)

        if report is not None:
            reports.check_folder(report, photos)
        with output.progress("auditing") as progress:
            try:
                audited = run_audit(originals, published, asked, progress=progress, keep=keep)
            except KeyboardInterrupt:
                output.say("what was measured so far is kept: the same command goes on from there")
                raise
    return audited.document, shared_part(audited.document)


def _lines(document: dict[str, Any], published: list[Path], report: Path | None) -> list[str]:
    from deid.audit.report.defended_figures import defended_lines

    lines = []
    for photos, folder in zip(document["sets"], published, strict=True):
        lines += [f"{photos['label']}: {folder}"] if len(published) > 1 else []
        for answered in photos["first_screen"]:
            lines += [f"{answered['question']} {answered['answer']}", *(f"  {line}" for line in answered["evidence"])]
        lines += defended_lines(photos, document["recognizers"])
        lines += [f"{found['id']}: {found['kind']}: {found['detail']}" for found in photos["counts"]["findings"]]
    made = document["made"]
    lines += [
        document["ranks_are_spread"],
        f"{made['seconds']:.1f} s, of which {made['seconds_in_recognizers']:.1f} s inside the recognizers",
        f"conditions: {document['verdict']}",
        *(f"  {reason}" for reason in document["because"]),
    ]
    if report:
        lines.append(f"for others: {report / 'shared' / 'report.html'}; for you alone: {report / 'private'}")
    return lines


def _check(folder: Path, published: list[Path], json: bool) -> int:
    from deid.audit.report.folder import check_report

    checked = check_report(folder, published)
    if json:
        output.show_json(
            {
                "report": str(folder),
                "differences": checked.differences,
                "files_checked": checked.files,
                "weights_not_checked": checked.elsewhere,
                "pages_not_compared": checked.not_compared,
                "signed_by": checked.signed_by,
            }
        )
    else:
        output.show_lines(checked.differences or ["the report and the weights that are here are as they were"])
        output.show_lines(_not_checked(checked))
    return CHANGED if checked.differences else 0


def _not_checked(checked: "Checked") -> list[str]:
    """What a check says of its own reach."""
    lines = [f"weights of {name}: not on this machine, so not checked" for name in checked.elsewhere]
    lines += [f"{page}: drawn by another version: not compared" for page in checked.not_compared]
    lines.append(
        "the published files were compared by their SHA-256, together with their names"
        if checked.files
        else "the published files were not checked: name their folders after the report's"
    )
    lines.append(
        f"signed with Ed25519 by the public key {checked.signed_by}: whose it is, you have to know"
        if checked.signed_by
        else "not signed: whoever recomputes everything can forge a report like this"
    )
    return lines
