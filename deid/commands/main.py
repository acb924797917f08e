"""The command `deid`. What is slow to import is imported inside the commands: `--help` comes at once."""

import importlib.metadata
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from deid.commands import audit as audit_command
from deid.commands import output, summaries
from deid.commands.faces import faces
from deid.commands.interrupts import INTERRUPTED, end_at_the_second
from deid.commands.options import Json, Verbose, takes_options
from deid.commands.reproduce import reproduce
from deid.commands.reproduce_defenses import defenses
from deid.commands.train import train
from deid.commands.ui import ui
from deid.commands.weights import weights
from deid.errors import FULL, CheckpointError, ImageError, Interrupted, UnreadableImage, UsageError, reason_of
from deid.types import EXCLUDED, LeftOut, Options, PhotoResult

DONE, INTERNAL, USAGE, NO_FACE, UNVERIFIED, UNREADABLE = 0, 1, 2, 3, 4, 5
# Of errors whose message is meant for the user, the more special first; any other is a defect.
EXIT_CODES: dict[type[Exception], int] = {
    UnreadableImage: UNREADABLE,
    ImageError: USAGE,
    UsageError: USAGE,
    CheckpointError: INTERNAL,
}


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # its boxes leave half the width for the text: the help would not fit a screen
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Photos that people still read and face recognizers cannot, with proof.",
)
app.command("faces")(faces)
app.command("audit")(audit_command.audit)
app.command("ui")(ui)
app.add_typer(weights, name="weights")
app.command("train")(train)
reproduce.add_typer(defenses)
app.add_typer(reproduce, name="reproduce")


def exit_code(results: Sequence[PhotoResult], left_out: Sequence[LeftOut] = ()) -> int:
    """What a run's results make the command exit with; a run that found no photo at all found no face."""
    outcomes = {result.outcome for result in results if result.message != EXCLUDED}
    if "failed" in outcomes:
        return UNVERIFIED
    if "unreadable" in outcomes or left_out:
        return UNREADABLE
    return DONE if outcomes & {"protected", "skipped"} else NO_FACE


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int | None:
    if context.invoked_subcommand is None:
        if version:
            output.show(f"deid {importlib.metadata.version('face-deid')}")
            raise typer.Exit(DONE)
        output.say_text(context.get_help())
        raise typer.Exit(USAGE)
    return None


@app.command()
@takes_options
def photo(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The photo.")],
    target: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Default: NAME-protected beside IN.")
    ] = None,
    *,
    options: Options,
    json: Json = False,
    verbose: Verbose = False,
) -> int:
    """Protect the faces of one photo and prove it on the saved file.

    Exit: 0 protected, 2 usage or output exists, 3 no face, 4 not verified, 5 unreadable.
    """
    output.say(f"protecting {source}")
    # Whatever a library prints does not belong to the result.
    with redirect_stdout(sys.stderr), output.photo_progress() as watcher:
        from deid.protection import pipeline
        from deid.recognizers.decoys import DECOYS

        result = pipeline.protect(source, target, options, watcher=watcher)
    if verbose:
        output.say_timing(result)
    if json:
        output.show_json(result.to_json())
    else:
        # With --people the gallery holds more than the decoys and the face itself.
        gallery = DECOYS + 1 if options.people is None else None
        output.show_lines(summaries.photo_summary(result, gallery, sure=options.sure, mine=options.mine is not None))
        output.show_lines(summaries.limits([result]))
    if problem := summaries.photo_problem(result):
        output.complain(problem)
    return exit_code([result])


@app.command()
@takes_options
def folder(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A tree of photos.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Gets the same tree. Run again to resume.")],
    *,
    options: Options,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Skip these files or folders, and leave them out on purpose. Repeatable."),
    ] = None,
    copy_faceless: Annotated[
        bool, typer.Option("--copy-faceless", help="Photos without a face go to OUT, too; their metadata do not.")
    ] = False,
    json: Json = False,
    verbose: Verbose = False,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Then audit OUT, and write the report.")] = None,
) -> int:
    """Protect every photo of a folder, with the ranks balanced over all of them.

    Exit: 0 all protected, 2 usage, 3 no face at all, 4 some not verified, 5 some unreadable or left out.
    """
    if report is not None:
        audit_command.check_folder(report, [source, target, options.people, options.mine])
    if not source.is_dir():
        output.complain(f"{source}: {'this is not a folder' if source.exists() else 'there is no such folder'}")
        return UNREADABLE
    try:
        with redirect_stdout(sys.stderr), output.folder_progress() as progress:
            from deid.batch import folder as batch

            result = batch.protect_folder(
                source, target, options, exclude=exclude or [], copy_faceless=copy_faceless, progress=progress
            )
    except Interrupted as error:
        output.say(str(error))
        raise
    if report is not None:
        audited, _ = audit_command.run(
            source, [target], report, device=options.device, k_level=options.k_level, people=options.people
        )
        result = replace(result, report=str(report))
    if verbose:
        for result_of_photo in result.photos:
            output.say(result_of_photo.input)
            output.say_timing(result_of_photo)
    if json:
        output.show_json(result.to_json())
    else:
        output.show_lines(summaries.folder_summary(result, sure=options.sure, mine=options.mine is not None))
        output.show_lines(summaries.limits(result.photos))
        if report is not None:
            output.show(f"conditions of the audit, by all recognizers that are here: {audited['verdict']}")
            output.show(f"for others: {report / 'shared' / 'report.html'}; for you alone: {report / 'private'}")
    code = exit_code(result.photos, result.left_out)
    if code:
        reasons = {
            UNVERIFIED: "a photo could not be verified as protected",
            UNREADABLE: "a photo is unreadable"
            if "unreadable" in result.counts
            else "pictures were left out: --exclude names those that are meant to be",
        }
        output.complain(reasons.get(code, f"{source}: no face was found in any photo"))
    return code


@app.command()
def demo() -> int:
    """Protect two sample photos into ./demo and show them side by side."""
    with redirect_stdout(sys.stderr), output.photo_progress() as watcher:
        from deid.commands import demo as samples
        from deid.recognizers.decoys import DECOYS

        shown = samples.run_demo(Path("demo"), say=output.say, watcher=watcher)
    for result, picture in shown:
        output.show_lines([result.input, *summaries.photo_summary(result, DECOYS + 1)])
        if picture:
            output.show(f"before, after and perturbation side by side: {picture}")
        if problem := summaries.photo_problem(result):
            output.complain(problem)
    results = [result for result, _ in shown]
    output.show_lines(summaries.limits(results))
    return exit_code(results)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error becomes one line on stderr."""
    try:
        code = app(arguments, prog_name="deid", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        code = _report(error)
    if code == INTERRUPTED:
        output.complain("interrupted")
    return code or DONE


def _report(error: Exception) -> int:
    """Say what went wrong in one line; the exit code for it."""
    if hasattr(error, "format_message"):  # a usage error of typer's parser, which it exports under no name
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        output.complain(f"{error.format_message().rstrip('.')}{hint}")
        return USAGE
    code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), None)
    if code != USAGE and os.environ.get("DEID_TRACEBACK") == "1":
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in FULL:  # wherever it was met
        output.complain(f"{error.filename}: {reason_of(error)}" if error.filename else reason_of(error))
        return USAGE
    if code is None:
        output.complain(f"internal error, please report: {type(error).__name__}: {error}")
        return INTERNAL
    output.complain(str(error))
    return code


def main() -> None:
    end_at_the_second()
    if not sys.warnoptions and os.environ.get("DEID_TRACEBACK") != "1":
        warnings.simplefilter("ignore")  # a library's deprecations are no news to who protects a photo
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that has no arrow, a file name that is no text
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
