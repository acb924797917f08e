"""The command `deid train`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from deid.commands import output
from deid.commands.options import Device, OnDevice


class Trainable(StrEnum):
    """The names of `deid.training.students.RECIPES`, which are not loaded for a line of help."""

    lightcnn9 = "lightcnn9"
    mobilefacenet_lfw = "mobilefacenet-lfw"


def train(
    name: Annotated[Trainable, typer.Argument(metavar="NAME", help=f"What to train: {', '.join(Trainable)}.")],
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", help="A folder of photos for each person.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the weights; run again to resume.")],
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Batches to train on.")] = 30_000,
    teacher: Annotated[str | None, typer.Option(metavar="NAME", help="The recognizer to learn from.")] = None,
    start: Annotated[str | None, typer.Option(metavar="NAME", help="A recognizer to begin with.")] = None,
    device: OnDevice = Device.auto,
) -> None:
    """Train a recognizer by distillation from another one."""
    from deid.training.recognizer import train_recognizer

    train_recognizer(
        name.value, people, out, steps=steps, teacher=teacher, start=start, device=device.value, log=output.say
    )
