"""The commands for those who look after recognizers: `deid weights`, `deid train`, `deid reproduce`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deid import display

if TYPE_CHECKING:
    from deid.checkpoints import Entry

weights = typer.Typer(help="List, verify, import or fetch recognizers' weights.")
reproduce = typer.Typer(help="Measure what the papers measured.")


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


OnDevice = Annotated[Device, typer.Option(help="Where networks run.")]
PeopleFolder = Annotated[Path, typer.Argument(metavar="PEOPLE", help="A folder of photos for each person.")]


@weights.command("list")
def list_weights() -> None:
    """The recognizers that can be used, shipped and imported, with their files."""
    from deid.checkpoints import manifest

    entries = manifest()
    width = max(map(len, entries))
    for entry in entries.values():
        state = "" if entry.path.is_file() else "  (missing)"
        display.show(f"{entry.name:<{width}} {entry.architecture:<14} {entry.sha256[:16]}…  {entry.path}{state}")


@weights.command("verify")
def verify_weights() -> int:
    """Compare every file with the SHA-256 it should have; exit 1 if one is missing or changed."""
    from deid.checkpoints import CheckpointError, manifest, verify

    code = 0
    for entry in manifest().values():
        try:
            verify(entry)
        except CheckpointError as error:
            display.complain(str(error))
            code = 1
        else:
            display.show(f"{entry.name}: as it should be")
    return code


@weights.command("import")
def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .pth, .pth.tar or .safetensors file.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call it; the file's name.")] = None,
    trained_on: Annotated[str | None, typer.Option(metavar="TEXT", help="Its training data, for reports.")] = None,
    teacher: Annotated[str | None, typer.Option(metavar="NAME", help="The recognizer it was distilled from.")] = None,
) -> None:
    """Check a checkpoint and copy it to where this program finds it.

    LightCNN-9, -29 and -29v2, MobileFaceNet and FaceNet are known by their keys.
    """
    from deid.checkpoints import import_checkpoint

    _show_import(import_checkpoint(file, name, trained_on=trained_on, teacher=teacher))


@weights.command("fetch")
def fetch_weights(
    name: Annotated[str, typer.Argument(metavar="NAME", help="facenet-vggface2 (facenet-pytorch's release).")],
) -> None:
    """Download released weights and import them; no other command goes to the internet."""
    from deid import fetch

    next_line = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal next_line
        if done >= next_line:
            display.say(f"{done >> 20} MiB" + (f" of {total >> 20}" if total else ""))
            next_line = done + (16 << 20)

    _show_import(fetch.fetch(name, progress))


def _show_import(entry: "Entry") -> None:
    display.show(f"{entry.name}: {entry.architecture}, saved as {entry.path}")
    display.show(f"SHA-256 of {entry.details['source']}: {entry.details['source_sha256']}")


class Trainable(StrEnum):
    """The names of `deid.training.students.RECIPES`, which are not loaded for a line of help."""

    lightcnn9 = "lightcnn9"
    mobilefacenet_lfw = "mobilefacenet-lfw"


def train(
    name: Annotated[Trainable, typer.Argument(metavar="NAME", help=f"What to train: {', '.join(Trainable)}.")],
    people: PeopleFolder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the weights; run again to resume.")],
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Batches to train on.")] = 30_000,
    teacher: Annotated[str | None, typer.Option(metavar="NAME", help="The recognizer to learn from.")] = None,
    start: Annotated[str | None, typer.Option(metavar="NAME", help="A recognizer to begin with.")] = None,
    device: OnDevice = Device.auto,
) -> None:
    """Train a recognizer by distillation from another one."""
    from deid.training import command

    command.train_recognizer(
        name.value, people, out, steps=steps, teacher=teacher, start=start, device=device.value, log=display.say
    )


@reproduce.callback()
def keep_the_command_name() -> None:
    pass


@reproduce.command("photos")
def reproduce_photos(
    people: Annotated[Path, typer.Option(metavar="DIR", help="A folder of photos for each person (LFW).")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Photos to measure on.")] = 200,
    device: OnDevice = Device.auto,
) -> None:
    """The table of the main job: photos protected, saved, found and recognized again."""
    from deid.experiments import photos

    display.show(photos.reproduce_photos(people, count=count, device=device.value))


@reproduce.command("transfer")
def reproduce_transfer(
    people: Annotated[Path, typer.Option(metavar="DIR", help="A folder of photos for each person (LFW).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the table, its JSON and its plot go.")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="People to measure on.")] = 200,
    method: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="This row, or these. Default: what takes an hour.")
    ] = None,
    device: OnDevice = Device.auto,
) -> None:
    """How far `transfer` carries, to other recognizers and through handling, beside blur and mosaic.

    Further rows: paper, robust, other limits, and transfer without a network; a name that is none lists them all.
    """
    from deid.experiments import transfer

    methods = method or transfer.USUAL
    table = transfer.reproduce_transfer(people, out, count=count, methods=methods, device=device.value)
    display.show(table.rstrip())
