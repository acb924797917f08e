"""The table of dimensionality reduction, as Markdown and as a plot. document: as it is written to its JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deid.experiments.results import as_svg

NOTES = """\
N = {n} test photos that the undefended network recognizes; accuracy and false alarms: of {clean} test photos. Stops:
of the undefended network's adversarial examples, each at the least ε (L∞) that fools it at 8 bits, the share that the
defended network takes for their true class. Flagged: the share that a detector outside marks because the two networks
disagree; false alarms: the same of clean photos. In brackets 95 % intervals; of all attacks together, that of as many
examples as there are photos, and photos of one class count as independent; ?: too few for a bound. The study:
Echeberria-Barrio, Gil-Lerchundi, Egana-Zubia, Orduna-Urrutia, Neural Computing and Applications 2021, breast tissue,
another network.

New examples: by PGD against the defended network, whose gradients the adversary has, at the least ε that fools it;
medians over photos that both networks recognize, beside the undefended network's PGD example of the same photo.
"""
SHARES = ("", "accuracy, %", "{attacks}", "all stop, %", "study, %", "all flagged, %", "false alarms, %")
NOISE = (
    "", "photos", "not found", "SSIM, known, %", "SSIM, new, %", "L2, known", "L2, new", "L2 new / known",
    "more noise, %",
)  # fmt: skip


def as_markdown(document: Mapping[str, Any]) -> str:
    """Known examples behind each defense, then new ones against it."""
    names = list(document["known"])
    head = [cell for title in SHARES for cell in ([f"{name} stops, %" for name in names] if "{" in title else [title])]
    lines = [
        f"**{document['network']}**, undefended {_percent(document['accuracy'])} %. " + "; ".join(
            f"{name}: found of {_percent(known['found'])} %, median ε {_figure(known['epsilon'], 255, 0)} / 255"
            for name, known in document["known"].items()
        ) + ".",
        "",
        _line(head),
        "|" + "---|" * len(head),
    ]  # fmt: skip
    for title, row in document["defenses"].items():
        stopped = [_percent(row["stopped"].get(name)) for name in (*names, "all")]
        study = "" if row["study"] is None else f"{row['study']:.1f}"
        flagged = _percent(row["flagged"].get("all"))
        cells = [title, _percent(row["accuracy"]), *stopped, study, flagged, _percent(row["false_alarms"])]
        lines.append(_line(cells))
    lines += ["", _line(NOISE), "|" + "---|" * len(NOISE)]
    for title, row in document["defenses"].items():
        noise = row["noise"]
        figures = [_figure(noise[name], 100, 1) for name in ("ssim_known", "ssim_new")]
        figures += [_figure(noise[name], 1, 2) for name in ("l2_known", "l2_new", "ratio")]
        cells = [title, str(noise["more"]["n"]), str(noise["none_found"]), *figures, _percent(noise["more"])]
        lines.append(_line(cells))
    return "\n".join([*lines, "", NOTES.format(n=document["photos"], clean=document["accuracy"]["n"])]).rstrip() + "\n"


def plot(document: Mapping[str, Any]) -> bytes:
    """SVG: the share of known examples that stop being adversarial, ours and the study's; what new ones take."""
    from matplotlib.figure import Figure

    rows = document["defenses"]
    figure = Figure(figsize=(11, 4), layout="constrained")
    shares, noise = figure.subplots(1, 2)
    _series(shares, -0.1, [row["stopped"].get("all") for row in rows.values()], "ours")
    study = [math.nan if row["study"] is None else row["study"] / 100 for row in rows.values()]
    shares.plot(np.arange(len(rows)) + 0.1, study, "D", label="the study")
    _series(noise, -0.1, [row["noise"]["l2_known"] for row in rows.values()], "known")
    _series(noise, 0.1, [row["noise"]["l2_new"] for row in rows.values()], "new, against the defended network")
    shares.set(ylabel="known examples that stop being adversarial", ylim=(-0.02, 1.02))
    noise.set(ylabel="L2 of the noise, median")
    noise.set_ylim(bottom=0)
    for panel in (shares, noise):
        panel.set_xticks(range(len(rows)), list(rows))
        panel.legend(fontsize=8)
    figure.suptitle(f"{document['network']} ({document['table']}), N = {document['photos']}")
    return as_svg(figure)


def _series(panel: Any, shift: float, estimates: Sequence[Mapping[str, Any] | None], label: str) -> None:
    """A point for each with its interval, as far as there is one."""
    there = [{} if estimate is None else estimate for estimate in estimates]
    # None becomes NaN.
    values, low, high = (np.array([one.get(name) for one in there], float) for name in ("value", "low", "high"))
    spread = np.nan_to_num([values - low, high - values])
    panel.errorbar(np.arange(len(there)) + shift, values, yerr=spread, fmt="o", capsize=3, label=label)


def _percent(estimate: Mapping[str, Any] | None) -> str:
    return "" if estimate is None else _figure(estimate, 100, 1)


def _figure(estimate: Mapping[str, Any], scale: float, digits: int) -> str:
    """The value and its interval; «?» where that has no end."""
    value, low, high = (
        "?" if estimate[name] is None else f"{scale * estimate[name]:.{digits}f}" for name in ("value", "low", "high")
    )
    return "" if value == "?" else f"{value} ({low}–{high})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
