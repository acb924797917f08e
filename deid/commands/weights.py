"""The command `deid weights`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deid.commands import output

if TYPE_CHECKING:
    from deid.recognizers.checkpoints import Entry

weights = typer.Typer(help="List, verify, import or fetch recognizers' weights.")


@weights.command("list")
def list_weights() -> None:
    """The recognizers that can be used, shipped and imported, with their files."""
    from deid.recognizers.checkpoints import manifest

    entries = manifest()
    width = max(map(len, entries))
    for entry in entries.values():
        state = "" if entry.path.is_file() else "  (missing)"
        output.show(f"{entry.name:<{width}} {entry.architecture:<14} {entry.sha256[:16]}…  {entry.path}{state}")


@weights.command("verify")
def verify_weights() -> int:
    """Compare every file with the SHA-256 it should have; exit 1 if one is missing or changed."""
    from deid.errors import CheckpointError
    from deid.recognizers.checkpoints import manifest, verify

    code = 0
    for entry in manifest().values():
        try:
            verify(entry)
        except CheckpointError as error:
            output.complain(str(error))
            code = 1
        else:
            output.show(f"{entry.name}: as it should be")
    return code


@weights.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth, .pth.tar or .safetensors file.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call it; the file's name.")] = None,
    trained_on: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Its training data: ms-celeb-1m, vggface2, … ('?' lists them), or 'other: …'."
        ),
    ] = None,
    teacher: Annotated[str | None, typer.Option(metavar="NAME", help="The recognizer it was distilled from.")] = None,
) -> None:
    """Check a checkpoint and copy it to where this program finds it.

    LightCNN-9, -29 and -29v2, MobileFaceNet and FaceNet are known by their keys.
    """
    from deid.recognizers.imports import import_checkpoint

    _show_import(import_checkpoint(file, name, trained_on=trained_on, teacher=teacher))


@weights.command("fetch")
def fetch_weights(
    name: Annotated[str, typer.Argument(metavar="NAME", help="facenet-vggface2 (facenet-pytorch's release).")],
) -> None:
    """Download released weights and import them; no other command goes to the internet."""
    from deid.recognizers import fetch

    next_line = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal next_line
        if done >= next_line:
            output.say(f"{done >> 20} MiB" + (f" of {total >> 20}" if total else ""))
            next_line = done + (16 << 20)

    _show_import(fetch.fetch(name, progress))


def _show_import(entry: "Entry") -> None:
    output.show(f"{entry.name}: {entry.architecture}, saved as {entry.path}")
    output.show(f"SHA-256 of {entry.details['source']}: {entry.details['source_sha256']}")
