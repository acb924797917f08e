"""The figures of a table: how its photos stand over the ranks, and what was done to some of them."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

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
    return _saved(figure, "svg", metadata={"Date": None})


def faces_plot(rows: Mapping[str, tuple[Photos, Row]]) -> bytes:
    """PNG: some photos, clean, then by each row as published and the change magnified (the paper's Fig. 3).

    rows: title → its clean photos, and what became of them.
    """
    from matplotlib.figure import Figure

    (photos, _), *_ = rows.values()
    chosen = np.linspace(0, len(photos) - 1, min(SHOWN, len(photos))).astype(int)
    lines = [("clean", photos.pixels[chosen] / 255)]
    for title, (clean, row) in rows.items():
        change = (row.published[chosen].astype(float) - clean.pixels[chosen]) / 255
        lines += [(title, row.published[chosen] / 255), (f"change × {MAGNIFIED}", 0.5 + MAGNIFIED * change)]
    figure = Figure(figsize=(1.3 * (len(chosen) + 1), 1.3 * len(lines)), layout="constrained")
    for panels, (title, pictures) in zip(
        figure.subplots(len(lines), len(chosen) + 1, squeeze=False), lines, strict=True
    ):
        panels[0].text(0.5, 0.5, title, ha="center", va="center", wrap=True, fontsize=8)
        for panel, picture in zip(panels[1:], pictures, strict=True):
            panel.imshow(picture.transpose(1, 2, 0).clip(0, 1).squeeze(), cmap="gray", vmin=0, vmax=1)
        for panel in panels:
            panel.axis("off")
    return _saved(figure, "png", dpi=100)


def _saved(figure: Any, kind: str, **more: Any) -> bytes:
    with io.BytesIO() as file:
        figure.savefig(file, format=kind, **more)
        return file.getvalue()
