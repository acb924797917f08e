"""Of `deid reproduce`: what recognizers do against attacks."""

from pathlib import Path
from typing import Annotated

import typer

from deid.commands import output
from deid.commands.options import Device, OnDevice
from deid.commands.reproduce import Attacks, Out, Photos, chosen, listed, number

defenses = typer.Typer()


@defenses.command("adaptation")
def reproduce_adaptation(
    people: Annotated[Path, typer.Argument(metavar="PEOPLE", help="A folder of photos for each person (LFW).")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where photos, networks, the table and its plot go.")],
    pairs: Annotated[int, typer.Option(min=2, metavar="N", help="Training people, a protected photo each.")] = 200,
    count: Annotated[int, typer.Option(min=2, metavar="N", help="Held-out people to ask about.")] = 64,
    profile: Annotated[str, typer.Option(metavar="NAME", help="Who protects: stranger or paper.")] = "stranger",
    device: OnDevice = Device.auto,
) -> None:
    """The adversary who filters, and who trains on protected photos of others. Run again, it goes on where it was."""
    from deid.experiments.adaptation import reproduce as adaptation

    table = adaptation.reproduce_adaptation(people, out, pairs=pairs, count=count, profile=profile, device=device.value)
    output.show_text(table.rstrip())


@defenses.command("m-svdd")
def reproduce_m_svdd(
    table: Annotated[str, typer.Argument(metavar="yale|mnist|cifar10|gtsrb", help="Whose networks.")],
    photos: Photos,
    out: Out,
    sample: Annotated[str, typer.Option(metavar="N", help="Test photos to attack. Default: what takes an hour.")] = "",
    attacks: Annotated[str, typer.Option(metavar="A,B", help="These alone; a name that is none lists them all.")] = "",
) -> None:
    """The K-A³ paper's defense, M-SVDD-D, attacked. Run again, it goes on where it was."""
    from deid.experiments.m_svdd import reproduce as m_svdd

    count = number(sample, "--sample") if sample else None
    output.show_text(m_svdd.reproduce_m_svdd(table, photos, out, count=count, rows=listed(attacks)).rstrip())


@defenses.command("rejection")
def reproduce_rejection(
    study: Annotated[str, typer.Argument(metavar="mnist|yale", help="Digits, or faces.")],
    photos: Photos,
    out: Out,
    sample: Annotated[
        str, typer.Option(metavar="N|all", help="Test photos to attack in each repeat. Default: 200, of yale 38.")
    ] = "",
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Each with other photos.")] = 3,
) -> None:
    """Neural rejection and deep neural rejection under PGD that knows them. Run again, it goes on where it was."""
    from deid.experiments.rejection.reproduce import STUDIES
    from deid.experiments.rejection.reproduce import reproduce_rejection as measure

    of = chosen("study", study, STUDIES)
    count = None if sample == "all" else number(sample or str(of.sample), "--sample")
    output.show_text(measure(of, photos, out, sample=count, repeats=repeats).rstrip())


@defenses.command("reduction")
def reproduce_reduction(
    table: Annotated[str, typer.Argument(metavar="yale|cifar10", help="Which photos, and which network.")],
    photos: Photos,
    out: Out,
    sample: Annotated[str, typer.Option(metavar="N|all", help="Test photos to attack, as many of each class.")] = "76",
) -> None:
    """Dimensionality reduction as a defense (Echeberria-Barrio and others, 2021). Run again, it goes on."""
    from deid.experiments.reduction import reproduce as reduction

    of = chosen("photos", table, reduction.TABLES)
    count = None if sample == "all" else number(sample, "--sample")
    output.show_text(reduction.reproduce_reduction(of, photos, out, count=count).rstrip())


@defenses.command("similarity")
def reproduce_similarity(
    table: Annotated[str, typer.Argument(metavar="mnist|cifar10|yale", help="Whose photos and networks.")],
    photos: Photos,
    out: Out,
    sample: Annotated[int, typer.Option(min=1, metavar="N", help="Test photos to attack.")] = 100,
    network: Annotated[str, typer.Option(metavar="NAME", help="Of that table's.")] = "",
    people: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of photos for each person (LFW), for honest users.")
    ] = None,
    queries: Annotated[int, typer.Option(min=20, metavar="N", help="Of an attack, at most.")] = 1000,
    attacks: Attacks = "",
) -> None:
    """A guard that remembers queries: attacks noticed, honest users disturbed. Run again, it goes on where it was."""
    from deid.experiments.cifar10 import CIFAR10
    from deid.experiments.mnist import MNIST
    from deid.experiments.similarity.reproduce import reproduce_similarity as measure
    from deid.experiments.yale import YALE

    markdown = measure(
        chosen("table", table, {of.name: of for of in (MNIST, CIFAR10, YALE)}),
        photos,
        out,
        people=people,
        count=sample,
        queries=queries,
        network=network,
        attacks=listed(attacks),
    )
    output.show_text(markdown.rstrip())


@defenses.command("training")
def reproduce_training(
    which: Annotated[str, typer.Argument(metavar="mnist|yale|cifar10", help="Whose photos they are.")],
    photos: Photos,
    out: Out,
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Test photos to attack. Default: what takes an hour.")
    ] = None,
    trainings: Annotated[str, typer.Option(metavar="A,B", help="These rows alone; what is none lists them.")] = "",
) -> None:
    """Networks trained against attacks, attacked again. Run again, it goes on where it was."""
    from deid.experiments.training.reproduce import reproduce_training as reproduce_table

    table = reproduce_table(which, photos, out, count=sample, trainings=listed(trainings))
    output.show_text(table.rstrip())
