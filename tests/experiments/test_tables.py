"""A whole table, of two small networks and made-up photos."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from experiments.made_up import patterned
from torch import nn

from deid.errors import UsageError
from deid.experiments.cifar10 import CIFAR10
from deid.experiments.gtsrb import GTSRB
from deid.experiments.mnist import MNIST
from deid.experiments.tables import pieces
from deid.experiments.tables.data import Data
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.methods import METHODS
from deid.experiments.tables.reproduce import reproduce
from deid.experiments.tables.table import Paper, Table
from deid.experiments.tables.training import Recipe
from deid.experiments.yale import YALE
from deid.training.distill import Schedule

CLASSES = 6


def read(folder: Path) -> Data:
    return Data(patterned(60, 1, CLASSES), patterned(12, 2, CLASSES), tuple("abcdef"))


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, CLASSES))


TABLE = Table(
    name="tiny",
    read=read,
    networks={"one": Recipe(network, Schedule(40, batch=16)), "two": Recipe(network, Schedule(40, batch=16, seed=1))},
    likeness=("SSIM", ssim),
    paper={"one": {"3-A³": Paper(95.17, 7.5e-4, 96.26, "at most 1/3")}},
)
ATTACKS = ["k-a3", "blur"]


def test_a_table_is_written_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = reproduce(TABLE, tmp_path, tmp_path / "out", count=12, attacks=ATTACKS, levels=[1, 3])
    out = tmp_path / "out"
    assert {file.name for file in out.iterdir()} == {
        "tiny.json", "tiny.md", "pmf.svg", "faces.png", "one.safetensors", "two.safetensors",
    }  # fmt: skip
    assert (out / "tiny.md").read_text() == table
    document = json.loads((out / "tiny.json").read_text())
    rows = document["networks"]["one"]["rows"]
    assert list(rows) == ["1-A³", "3-A³", "blur"]
    assert rows["3-A³"]["exact"]["value"] == rows["3-A³"]["success"]["value"] == 1
    assert [share["value"] for share in rows["3-A³"]["pmf"].values()] == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3, 0, 0])
    assert rows["1-A³"]["pmf"]["2"]["value"] == 1
    assert rows["1-A³"]["condition_6"]["3"] == {"set": "violated", "process": "inconclusive"}
    assert "| 3-A³ | 12 | 100.0 | 100.0 | 100.0 |" in table
    assert "| 95.17 | 7.5 | 96.26 | at most 1/3 |" in table
    assert (out / "faces.png").read_bytes().startswith(b"\x89PNG")

    def fails(*arguments: object) -> None:
        raise AssertionError("everything was kept")

    monkeypatch.setattr(pieces, "_measure", fails)
    assert reproduce(TABLE, tmp_path, out, count=12, attacks=ATTACKS, levels=[1, 3]) == table


def test_a_row_is_the_same_in_pieces_and_each_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = network().eval().requires_grad_(False)
    target, of_row = pieces.Target(classifier, classifier, ssim, "a network"), patterned(7, 1, CLASSES)
    whole = pieces.measure_row(target, of_row, "blur", 1)
    monkeypatch.setattr(pieces, "BATCH_PIXELS", 3 * 28 * 28)
    monkeypatch.setattr(pieces, "_measure", interrupted(pieces._measure, after=2))
    with pytest.raises(KeyboardInterrupt):
        pieces.measure_row(target, of_row, "blur", 1)
    monkeypatch.setattr(pieces, "_measure", interrupted(pieces._measure.of, after=1))
    in_pieces = pieces.measure_row(target, of_row, "blur", 1)
    for name in ("published", "groups", "ranks", "ranks_in_float", "mse"):
        assert np.array_equal(getattr(whole, name), getattr(in_pieces, name))


class interrupted:  # noqa: N801
    """Calls a function, but only so many times."""

    def __init__(self, of: Callable[..., Any], after: int) -> None:
        self.of, self.left = of, after

    def __call__(self, *arguments: Any) -> Any:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return self.of(*arguments)


def test_what_there_is_not_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    for more, said in (
        ({"attacks": ["k-a4"]}, "k-a3"),
        ({"networks": ["three"]}, "one, two"),
        ({"levels": [0]}, "from 1 to 5"),
        ({"levels": [6]}, "from 1 to 5"),
    ):
        with pytest.raises(UsageError, match=said):
            reproduce(TABLE, tmp_path, tmp_path / "out", count=1, **more)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_network_that_recognizes_nobody_attacks_nobody(tmp_path: Path) -> None:
    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return 0 * self.layer(pictures[:, 0, 0, :1]) + torch.tensor([0.0] * (CLASSES - 1) + [1.0])

    only_first = Data(patterned(12, 1, CLASSES)[np.array([0, 6])], patterned(12, 2, CLASSES), tuple("abcdef"))
    table = Table("tiny", lambda folder: only_first, {"none": Recipe(Reversed, Schedule(1))}, ("SSIM", ssim), {})
    with pytest.raises(UsageError, match="recognizes none"):
        reproduce(table, tmp_path, tmp_path / "out", count=None, attacks=["blur"], levels=[1])


@pytest.mark.parametrize("table", [YALE, MNIST, CIFAR10, GTSRB], ids=lambda table: table.name)
def test_what_the_paper_prints_stands_beside_a_row_that_there_is(table: Table) -> None:
    titles = {method.title for method in METHODS.values()}
    titles |= {f"{K}-{method.title}" for K in (1, 5, 9) for method in METHODS.values() if method.by_level}
    assert table.paper.keys() <= table.networks.keys()
    assert {title for rows in table.paper.values() for title in rows} <= titles
