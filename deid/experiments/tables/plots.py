"""The figures of a table: how its photos stand over the ranks, and what was done to some of them."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from deid.experiments.results import as_svg
from deid.experiments.tables.data import Photos
from deid.experiments.tables.pieces import Row

SHOWN, MAGNIFIED = 6, 10  # photos; how much a change is magnified, around gray


def pmf_plot(document: Mapping[str, Any]) -> bytes:
    """SVG: the share of photos at each rank, a curve a row, a panel a network (the paper's Fig. 4e)."""
    from matplotlib.figure import Figure

    networks = document["networks"]
    figure = Figure(figsize=(6 * len(networks), 4), layout="constrained")
    for panel, (name, network) in zip(
        figure.subplots(1, len(networks), squeeze=False)[0], networks.items(), strict=True
    ):
        for title, row in network["rows"].items():
            ranks = [int(rank) for rank in row["pmf"]]
            panel.plot(ranks, [share["value"] for share in row["pmf"].values()], marker=".", label=title)
        panel.set(title=name, xlabel="rank of the true class", ylabel="share of the photos", ylim=(-0.02, 1.02))
        panel.legend(fontsize=7)
    return as_svg(figure)


def faces_plot(networks: Mapping[str, tuple[Photos, Mapping[str, Row]]]) -> bytes:
    """PNG: some photos, clean, then by each row as published and the change magnified (the paper's Fig. 3).

    networks: name → its clean photos, and title → what became of them; they stand side by side.
    """
    from matplotlib.figure import Figure

    blocks = {name: _block(photos, rows) for name, (photos, rows) in networks.items()}
    lines = max(map(len, blocks.values()))
    figure = Figure(figsize=(1.3 * (SHOWN + 3) * len(blocks), 1.3 * lines), layout="constrained")
    panels = figure.subplots(1, len(blocks), squeeze=False)[0]
    for panel, (name, block) in zip(panels, blocks.items(), strict=True):
        height = next(iter(block.values())).shape[2]
        wall = np.concatenate([np.concatenate(list(pictures), 2) for pictures in block.values()], 1)
        panel.imshow(wall.transpose(1, 2, 0).clip(0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        panel.set_yticks(height * (np.arange(len(block)) + 0.5), block)
        panel.set(title=name, xticks=[])
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=150)
        return file.getvalue()


def _block(photos: Photos, rows: Mapping[str, Row]) -> dict[str, np.ndarray]:
    """Titles and pictures (n, C, H, W), line by line."""
    chosen = np.linspace(0, len(photos) - 1, min(SHOWN, len(photos))).astype(int)
    clean = photos.pixels[chosen] / 255
    lines = {"clean": clean}
    for title, row in rows.items():
        published = row.published[chosen] / 255
        lines |= {title: published, f"{title}: × {MAGNIFIED}": 0.5 + MAGNIFIED * (published - clean)}
    return lines
