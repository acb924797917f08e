"""What `reproduce transfer` measured, as Markdown and as a plot. document: as it is written to transfer.json."""

from collections.abc import Mapping
from typing import Any

from deid.experiments.results import as_svg
from deid.images.handlings import AS_PUBLISHED

# Figures shown as medians, and their formats.
MEDIANS = {"ssim": ".3f", "psnr": ".1f", "flip": ".3f", "seconds": ".1f"}


def as_table(document: Mapping[str, Any]) -> str:
    """Markdown: who is still matched at FAR 1e-2, with an interval; then after JPEG 75, half size, and both.

    And who is still first in a search, and how evenly faces stand where the very photo is enrolled.
    """
    names = list(document["thresholds"])
    clean = [f"{100 * document['clean'][name]['value']:.0f} %" for name in names]
    lines = [
        "| | N | protected; at once | SSIM, worst | SSIM | PSNR, dB | FLIP | s | " + " | ".join(names) + " |",
        "|" + "---|" * (8 + len(names)),
        "| clean photo | | | | 1 | | 0 | | " + " | ".join(clean) + " |",
    ]
    for row in document["rows"]:
        cells = []
        for name in names:
            published, *rest = row["matched"][name].values()
            after = " / ".join(f"{100 * share['value']:.0f}" for share in rest)
            cells.append(f"{_percent(published)} · {after}, {row['classes'][name]}")
        passed = f"{_percent(row['protected'])}; {_percent(row['at_once'])}"
        worst = format(row["worst_ssim"], MEDIANS["ssim"])
        head = [
            row["method"],
            str(row["n"]),
            passed,
            worst,
            *(format(row[name]["value"], how) for name, how in MEDIANS.items()),
        ]
        lines.append("| " + " | ".join([*head, *cells]) + " |")
    lines += ["", f"| first among {document['gallery']} others: clean, protected | N | " + " | ".join(names) + " |"]
    lines.append("|" + "---|" * (2 + len(names)))
    for row in document["rows"]:
        cells = [", ".join(_percent(row["first"][name][when]) for when in ("clean", "protected")) for name in names]
        lines.append("| " + " | ".join([row["method"], str(row["n"]), *cells]) + " |")
    lines += [
        "",
        "| the very photo, in a list of others: first percent, last percent; even? | N | " + " | ".join(names) + " |",
    ]
    lines.append("|" + "---|" * (2 + len(names)))
    for row in document["rows"]:
        of_names = [row["places"][name] for name in names]
        cells = [
            f"{_percent(of['first_percent'])}, {_percent(of['last_percent'])}; p = {of['p_even']:.2g}"
            for of in of_names
        ]
        lines.append("| " + " | ".join([row["method"], str(row["n"]), *cells]) + " |")
    return "\n".join(lines) + "\n"


def _percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.0f} % ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


def plot(document: Mapping[str, Any]) -> bytes:
    """SVG: share not matched any more against SSIM, a panel for each recognizer, a curve for each kind of method."""
    from matplotlib.figure import Figure

    names = list(document["thresholds"])
    figure = Figure(figsize=(4 * len(names), 3.6), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        curves: dict[str, list[tuple[float, float]]] = {}
        for row in document["rows"]:
            method = row["method"]
            kind = method if "without" in method else method.replace(",", "").split()[0]
            unmatched = 100 * (1 - row["matched"][name][AS_PUBLISHED]["value"])
            curves.setdefault(kind, []).append((row["ssim"]["value"], unmatched))
        for kind, points in curves.items():
            panel.plot(*zip(*sorted(points), strict=True), marker="o", label=kind)
        panel.set(
            title=name, xlabel="SSIM of the aligned face, median", ylabel="not matched any more, %", ylim=(-4, 104)
        )
        panel.legend(fontsize=7)
    return as_svg(figure)
