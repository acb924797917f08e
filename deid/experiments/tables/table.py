"""What a table is: data, networks, the figure of likeness, and what the paper says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deid.experiments.tables.data import Data
from deid.experiments.tables.figures import Figure
from deid.experiments.tables.training import Recipe


@dataclass(frozen=True)
class Paper:
    """A row as a paper prints it, without defenses. NaN: not printed.

    likeness: SSIM or MS-SSIM, in percent; mse: a pixel; success: in percent.
    pmf: what it says of the ranks.
    """

    likeness: float
    mse: float
    success: float
    pmf: str = ""


@dataclass(frozen=True)
class Table:
    """name: of the command and of the files.

    read: a folder → the photos; raises UsageError.
    networks: name → how it is trained; its rows come under that name.
    likeness: SSIM or MS-SSIM, and what it is called in the table.
    paper: name of a network → the title of a row → what the K-A³ paper (Mygdalis, Tefas, Pitas, 2020) prints.
    of_people: whether classes are people: then only one photo of each is independent of the others.
    bfloat16: whether attacks may first follow a copy of the networks in bfloat16; checks never do.
    note: what a reader of the table must know besides.
    """

    name: str
    read: Callable[[Path], Data]
    networks: Mapping[str, Recipe]
    likeness: tuple[str, Figure]
    paper: Mapping[str, Mapping[str, Paper]]
    of_people: bool = False
    bfloat16: bool = False
    note: str = ""
