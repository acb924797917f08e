"""The command `deid`. What is slow to import is imported inside the commands: `--help` comes at once."""

import importlib.metadata
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import fields, replace
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from deid import display, maintenance
from deid.app import command as page
from deid.audit import command as audit_command
from deid.maintenance import Device, OnDevice
from deid.types import Options, PhotoResult, UsageError

DONE, INTERNAL, USAGE, NO_FACE, UNVERIFIED, UNREADABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # its boxes leave half the width for the text: the help would not fit a screen
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Photos that people still read and face recognizers cannot, with proof.",
)
app.command("audit")(audit_command.audit)
app.command("ui")(page.ui)
app.add_typer(maintenance.weights, name="weights")
app.command("train")(maintenance.train)
app.add_typer(maintenance.reproduce, name="reproduce")

KLevel = Annotated[int, typer.Option("-k", "--k-level", min=1, help="Spread true identities over K ranks.")]
Method = Annotated[str, typer.Option(metavar="NAME", help="k-a3, i-fgvm, blur or pixelate.")]
Strength = Annotated[float | None, typer.Option(metavar="X", help="Of blur (4 by default) or pixelate (10).")]
MaxVisibility = Annotated[
    float | None, typer.Option(metavar="X", help="Change no pixel by more than X times what its surroundings hide.")
]
Fallback = Annotated[
    str | None, typer.Option(metavar="NAME", help="Hide faces that cannot be protected: blur or pixelate.")
]
Profile = Annotated[str, typer.Option(metavar="NAME", help="paper, robust, or transfer (for other recognizers).")]
People = Annotated[Path | None, typer.Option(metavar="DIR", help="Known people, a folder of photos each.")]
Faces = Annotated[str, typer.Option(metavar="WHICH", help="all, largest, or numbers from the left: 1,3.")]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Repeatable draw; secret without.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say where the time went.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
KeepMetadata = Annotated[bool, typer.Option("--keep-metadata", help="Keep EXIF; dropped without.")]
Quality = Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Of a JPEG, WebP or HEIC output.")]
Unverified = Annotated[bool, typer.Option("--write-unverified", help="Write what failed too; still exit 4.")]


def exit_code(results: Sequence[PhotoResult]) -> int:
    """What a run's results make the command exit with; a run that found no photo at all found no face."""
    outcomes = {result.outcome for result in results}
    if "failed" in outcomes:
        return UNVERIFIED
    if "unreadable" in outcomes:
        return UNREADABLE
    return DONE if outcomes & {"protected", "skipped"} else NO_FACE


def _options(parameters: Mapping[str, Any]) -> Options:
    """From the parameters of a command, which bear the names of the options' fields."""
    names = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in parameters.items() if name in names})


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int | None:
    if context.invoked_subcommand is None:
        if version:
            display.show(f"deid {importlib.metadata.version('face-deid')}")
            raise typer.Exit(DONE)
        display.say(context.get_help())
        raise typer.Exit(USAGE)
    return None


@app.command()
def photo(
    input: Annotated[Path, typer.Argument(metavar="IN", help="The photo.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Default: NAME-protected beside IN.")
    ] = None,
    k_level: KLevel = 5,
    method: Method = "k-a3",
    strength: Strength = None,
    max_visibility: MaxVisibility = None,
    fallback: Fallback = None,
    profile: Profile = "robust",
    people: People = None,
    faces: Faces = "all",
    seed: Seed = None,
    json: Json = False,
    verbose: Verbose = False,
    overwrite: Overwrite = False,
    keep_metadata: KeepMetadata = False,
    quality: Quality = 95,
    write_unverified: Unverified = False,
    device: OnDevice = Device.auto,
) -> int:
    """Protect the faces of one photo and prove it on the saved file.

    Exit: 0 protected, 2 usage or output exists, 3 no face, 4 not verified, 5 unreadable.
    """
    options = _options(locals())
    display.say(f"protecting {input}")
    with redirect_stdout(sys.stderr):  # whatever a library prints does not belong to the result
        from deid import pipeline
        from deid.checkpoints import DECOYS

        result = pipeline.protect(input, output, options)
    if verbose:
        display.say_costs(result)
    if json:
        display.show_json(result.to_json())
    else:
        # With --people the gallery holds more than the decoys and the face itself.
        gallery = DECOYS + 1 if people is None else None
        display.show_lines(display.photo_summary(result, gallery))
        display.show_lines(display.limits([result]))
    if problem := display.photo_problem(result):
        display.complain(problem)
    return exit_code([result])


@app.command()
def folder(
    input: Annotated[Path, typer.Argument(metavar="IN", help="A tree of photos.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Gets the same tree. Run again to resume.")],
    k_level: KLevel = 5,
    method: Method = "k-a3",
    strength: Strength = None,
    max_visibility: MaxVisibility = None,
    fallback: Fallback = None,
    profile: Profile = "robust",
    people: People = None,
    faces: Faces = "all",
    seed: Seed = None,
    json: Json = False,
    verbose: Verbose = False,
    overwrite: Overwrite = False,
    keep_metadata: KeepMetadata = False,
    quality: Quality = 95,
    write_unverified: Unverified = False,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Then audit OUT, and write the report.")] = None,
    device: OnDevice = Device.auto,
) -> int:
    """Protect every photo of a folder, with the ranks balanced over all of them.

    Exit: 0 all protected, 2 usage, 3 no face at all, 4 some not verified, 5 some unreadable.
    """
    options = _options(locals())
    if report is not None:
        audit_command.check_folder(report)
    if not input.is_dir():
        display.complain(f"{input}: {'this is not a folder' if input.exists() else 'there is no such folder'}")
        return UNREADABLE
    with redirect_stdout(sys.stderr), display.folder_progress() as progress:
        from deid.batch import folder as batch

        result = batch.protect_folder(input, output, options, progress=progress)
    if report is not None:
        audit_command.run(input, [output], report, k_level=k_level, people=people, device=device.value)
        result = replace(result, report=str(report))
    if verbose:
        for one in result.photos:
            display.say(one.input)
            display.say_costs(one)
    if json:
        display.show_json(result.to_json())
    else:
        display.show_lines(display.folder_summary(result))
        display.show_lines(display.limits(result.photos))
        if report is not None:
            display.show(f"audit for others: {report / 'shared' / 'report.html'}; for you alone: {report / 'private'}")
    code = exit_code(result.photos)
    if code:
        reasons = {
            UNVERIFIED: "a photo could not be verified as protected",
            UNREADABLE: "a photo is unreadable",
        }
        display.complain(reasons.get(code, f"{input}: no face was found in any photo"))
    return code


@app.command()
def demo() -> int:
    """Protect two sample photos into ./demo and show them side by side."""
    with redirect_stdout(sys.stderr):
        from deid import demo as samples
        from deid.checkpoints import DECOYS

        shown = samples.run_demo(Path("demo"), say=display.say)
    for result, picture in shown:
        display.show_lines([result.input, *display.photo_summary(result, DECOYS + 1)])
        if picture:
            display.show(f"before, after and perturbation side by side: {picture}")
        if problem := display.photo_problem(result):
            display.complain(problem)
    results = [result for result, _ in shown]
    display.show_lines(display.limits(results))
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
        display.complain("interrupted")
    return code or DONE


def _report(error: Exception) -> int:
    """Say what went wrong in one line; the exit code for it."""
    if hasattr(error, "format_message"):  # a usage error of typer's parser, which it exports under no name
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        display.complain(f"{error.format_message().rstrip('.')}{hint}")
        return USAGE
    if isinstance(error, UsageError):
        display.complain(str(error))
        return USAGE
    if os.environ.get("DEID_TRACEBACK") == "1":
        traceback.print_exception(error)
    code = _known(error)
    if code is None:
        display.complain(f"internal error, please report: {type(error).__name__}: {error}")
        return INTERNAL
    display.complain(str(error))
    return code


def _known(error: Exception) -> int | None:
    """The exit code for an error whose message is meant for the user; None for a bug."""
    # An error of a module that was never imported cannot be one of its errors.
    if (images := sys.modules.get("deid.image_errors")) and isinstance(error, images.ImageError):
        return UNREADABLE if isinstance(error, images.UnreadableImage) else USAGE
    if (checkpoints := sys.modules.get("deid.checkpoints")) and isinstance(error, checkpoints.CheckpointError):
        return INTERNAL
    return None


def main() -> None:
    if not sys.warnoptions and os.environ.get("DEID_TRACEBACK") != "1":
        warnings.simplefilter("ignore")  # a library's deprecations are no news to who protects a photo
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that has no arrow, a file name that is no text
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
