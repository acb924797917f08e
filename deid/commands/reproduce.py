"""The command `deid reproduce`: the tables of the papers, and ours."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from deid.commands import output
from deid.commands.options import Device, OnDevice
from deid.errors import UsageError

if TYPE_CHECKING:
    from deid.experiments.tables.table import Table

Chosen = TypeVar("Chosen")

reproduce = typer.Typer(help="Measure what the papers measured.")


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

    output.show_text(photos.reproduce_photos(people, count=count, device=device.value))


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
    """How far the default carries, to other recognizers and through handling, beside blur and mosaic.

    Further rows: paper, other strengths, and the default without a network; a name that is none lists them all.
    """
    from deid.experiments import transfer

    methods = method or transfer.USUAL
    table = transfer.reproduce_transfer(people, out, count=count, methods=methods, device=device.value)
    output.show_text(table.rstrip())


@reproduce.command("own-photos")
def reproduce_own_photos(
    people: Annotated[Path, typer.Option(metavar="DIR", help="A folder of photos for each person (LFW).")],
    device: OnDevice = Device.auto,
) -> None:
    """What --mine helps where others have enrolled yet other photos, and whether protected photos link up."""
    from deid.experiments import own_photos

    output.show_text(own_photos.reproduce_own_photos(people, device=device.value))


@reproduce.command("detection")
def reproduce_detection(
    people: Annotated[Path, typer.Option(metavar="DIR", help="A folder of photos for each person (LFW).")],
    faceless: Annotated[
        list[Path] | None, typer.Option(metavar="ZIP", help="Pictures without a face, repeatable.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="People, and pictures of each zip.")] = 300,
    protected: Annotated[int, typer.Option(min=0, metavar="N", help="People who are protected, too.")] = 30,
) -> None:
    """Which faces are found: turned, cut off, small, and where there is none; and what is protected then."""
    from deid.experiments import detection

    output.show_text(detection.reproduce_detection(people, count=count, faceless=faceless or [], protected=protected))


@reproduce.command("look")
def reproduce_look(
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", help="A folder of photos for each person (LFW).")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where the pages, the table and its JSON go.")],
    profiles: Annotated[str, typer.Option(metavar="A,B", help="These alone. Default: all.")] = "",
    device: OnDevice = Device.auto,
) -> None:
    """Faces to look at, clean beside protected, and figures of what SSIM does not see.

    Pages are JPEG pictures. Run again, it goes on where it was.
    """
    from deid.commands.demo import write_samples
    from deid.experiments import look

    with tempfile.TemporaryDirectory() as folder:
        samples = write_samples(Path(folder))
        table = look.reproduce_look(people, samples, out, profiles=listed(profiles), device=device.value)
    output.show_text(table.rstrip())


Photos = Annotated[Path, typer.Argument(metavar="PHOTOS", help="The folder of the photos; nothing is fetched.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where the table, its figures and the trained networks go.")]
Sample = Annotated[str, typer.Option(metavar="N|all", help="Training photos to attack, as many of each class.")]
Attacks = Annotated[str, typer.Option(metavar="A,B", help="These rows alone; a name that is none lists them all.")]
Levels = Annotated[str, typer.Option(metavar="K,K", help="Of K-A³: photos are spread over the ranks 2 to K + 1.")]
Networks = Annotated[str, typer.Option(metavar="A,B", help="These networks alone. Default: all.")]


@reproduce.command("yale")
def reproduce_yale(
    photos: Photos, out: Out, sample: Sample = "190", attacks: Attacks = "", levels: Levels = "1,5,9"
) -> None:
    """The K-A³ paper's faces: Extended Yale B, LightCNN-9. Run again, it goes on where it was."""
    from deid.experiments.yale import YALE

    _show(YALE, photos, out, sample, attacks, levels)


@reproduce.command("mnist")
def reproduce_mnist(
    photos: Photos,
    out: Out,
    sample: Sample = "500",
    attacks: Attacks = "",
    levels: Levels = "1,5,9",
    networks: Networks = "",
) -> None:
    """The K-A³ paper's digits: MNIST, three networks trained here. Run again, it goes on where it was."""
    from deid.experiments.mnist import MNIST

    _show(MNIST, photos, out, sample, attacks, levels, networks)


@reproduce.command("cifar10")
def reproduce_cifar10(
    photos: Photos, out: Out, sample: Sample = "200", attacks: Attacks = "", levels: Levels = "1,5,9"
) -> None:
    """The K-A³ paper's objects: CIFAR-10, MobileNetV2 trained here (hours). Run again, it goes on where it was."""
    from deid.experiments.cifar10 import CIFAR10

    _show(CIFAR10, photos, out, sample, attacks, levels)


@reproduce.command("gtsrb")
def reproduce_gtsrb(
    photos: Photos, out: Out, sample: Sample = "215", attacks: Attacks = "", levels: Levels = "1,5,9"
) -> None:
    """The K-A³ paper's traffic signs, ResNet-18 trained here (an hour). Run again, it goes on where it was."""
    from deid.experiments.gtsrb import GTSRB

    _show(GTSRB, photos, out, sample, attacks, levels)


@reproduce.command("speed")
def reproduce_speed(
    people: Annotated[Path, typer.Option(metavar="DIR", help="A folder of photos for each person (LFW).")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Held-out people, a face each.")] = 8,
) -> None:
    """Seconds and gradients a face, beside foolbox's Carlini-Wagner, DeepFool and PGD, in one run."""
    from deid.experiments import speed

    output.show_text(speed.reproduce_speed(people, count=count))


def _show(table: "Table", photos: Path, out: Path, sample: str, attacks: str, levels: str, networks: str = "") -> None:
    from deid.experiments.tables.methods import USUAL
    from deid.experiments.tables.reproduce import reproduce as reproduce_table

    markdown = reproduce_table(
        table,
        photos,
        out,
        count=None if sample == "all" else number(sample, "--sample"),
        attacks=listed(attacks) or USUAL,
        levels=[number(level, "--levels") for level in listed(levels)],
        networks=listed(networks),
    )
    output.show_text(markdown.rstrip())


def listed(names: str) -> list[str]:
    """What an option that takes A,B names."""
    return [name.strip() for name in names.split(",") if name.strip()]


def chosen(what: str, name: str, there: Mapping[str, Chosen]) -> Chosen:
    """The one of that name; what: it is called. Raises UsageError for a name that is none."""
    if name not in there:
        raise UsageError(f"no {what} called {name}: there are {', '.join(there)}")
    return there[name]


def number(text: str, option: str) -> int:
    """What an option says. Raises UsageError for anything but a number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{option} takes a number from 1 on, not {text}")
    return int(text)
