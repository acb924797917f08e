"""The one way of all tables: photos, networks, rows, figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deid.errors import UsageError
from deid.experiments.results import check_installed, check_names, note, write_results
from deid.experiments.tables.data import Photos, sample
from deid.experiments.tables.document import as_markdown
from deid.experiments.tables.methods import METHODS, USUAL
from deid.experiments.tables.pieces import Row, Target, measure_row
from deid.experiments.tables.plots import faces_plot, pmf_plot
from deid.experiments.tables.summary import summary_of
from deid.experiments.tables.table import Table
from deid.experiments.tables.task import ranks_of
from deid.experiments.tables.training import Trained, trained
from deid.recognizers.precision import bfloat16_autocast, bfloat16_copy, has_bfloat16

LEVELS = (1, 5, 9)  # K, as in the paper
BATCH = 64


def reproduce(
    table: Table,
    folder: Path,
    out: Path,
    *,
    count: int | None,
    attacks: Sequence[str] = USUAL,
    levels: Sequence[int] = LEVELS,
    networks: Sequence[str] = (),
) -> str:
    """The table as Markdown; with its JSON and its two figures it is written to `out`, as are the networks.

    folder: the photos, as `table.read` takes them.
    count: of training photos to attack; None: all.
    attacks: of METHODS.
    levels: K, of those that spread photos over ranks.
    networks: of the table's; none: all.

    Run again, it goes on where it was. Raises UsageError for what there is not, and without matplotlib.
    """
    check_installed({"matplotlib": "reproduce"})
    check_names("attack", attacks, METHODS)
    check_names("network", networks, table.networks)
    data = table.read(folder)
    if bad := [K for K in levels if not 1 <= K < len(data.classes)]:
        raise UsageError(f"K is from 1 to {len(data.classes) - 1} here, not {', '.join(map(str, bad))}")
    photos = data.train if count is None else data.train[sample(data.train, count)]
    document: dict[str, Any] = {"table": table.name, "test_photos": len(data.test), "networks": {}}
    drawn: dict[str, tuple[Photos, dict[str, Row]]] = {}
    for name in networks or table.networks:
        network = trained(name, table.networks[name], data, out, note)
        recognized = recognized_by(network, photos)
        rows = _rows(table, network, recognized, attacks, levels)
        drawn[name] = recognized, {title: row for title, (row, _) in rows.items()}
        document["networks"][name] = {
            "accuracy": network.accuracy,
            "left_out": len(photos) - len(recognized),
            "rows": {
                title: summary_of(row, recognized.labels, len(data.classes), about, table.of_people)
                for title, (row, about) in rows.items()
            },
        }
    markdown = as_markdown(document, table)
    write_results(out, table.name, document, markdown, {"pmf.svg": pmf_plot(document), "faces.png": faces_plot(drawn)})
    return markdown


def _rows(
    table: Table, network: Trained, photos: Photos, attacks: Sequence[str], levels: Sequence[int]
) -> dict[str, tuple[Row, list[int]]]:
    """Title → the row, and which K its conditions are about: its own, or all where its photos all go to rank 2."""
    rough = Rough(network.network) if table.bfloat16 and has_bfloat16("cpu") else network.network
    target = Target(network.network, rough, table.likeness[1], network.sha256)
    rows = {}
    for name in attacks:
        method = METHODS[name]
        for K in levels if method.by_level else (1,):
            title = f"{K}-{method.title}" if method.by_level else method.title
            note(f"{table.name}: {title}")
            about = [K] if K > 1 else [level for level in levels if level > 1]
            rows[title] = measure_row(target, photos, name, K), about
    return rows


class Rough(nn.Module):
    """A network in bfloat16, for what follows its gradients."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = bfloat16_copy(network)

    def forward(self, photos: Tensor) -> Tensor:
        with bfloat16_autocast("cpu"):
            return self.network(photos)


def recognized_by(network: Trained, photos: Photos) -> Photos:
    """Those at rank 1 when clean: the others are left out."""
    parts = [photos[np.arange(at, min(at + BATCH, len(photos)))] for at in range(0, len(photos), BATCH)]
    ranks = [ranks_of(network.network, part.as_tensor(), torch.from_numpy(part.labels)) for part in parts]
    recognized = photos[torch.cat(ranks).numpy() == 1]
    if not len(recognized):
        raise UsageError("the network recognizes none of the photos when clean: nothing can be attacked")
    return recognized
