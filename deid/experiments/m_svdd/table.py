"""The table of the experiment `m_svdd` and its plot, drawn from its document."""

from collections.abc import Mapping, Sequence
from typing import Any

from deid.experiments.m_svdd.papers import PaperNetwork
from deid.experiments.results import as_svg

NOTES = """\
W: the network as trained; W̃: fine-tuned under frozen SVDD units. LC: a linear classifier, SVDD: the units. Attacks ask
W̃-LC and know nothing of the units; they are made of test photos that W̃-LC recognizes. β: one for all units as the
paper has it, or trimmed for each on training photos held out, for classification (O_c) or for defense (O_d). Success:
the answer is another class; F: the true one; D: «adversarial», in float as the paper counts, with 95 % intervals; at 8
bits: success of the photos as they are published. Likeness and MSE: of the photos at 8 bits. No attack: every test
photo, F is right and D a false alarm. The paper: Mygdalis, Tefas, Pitas, Neural Networks 124, 2020.
"""
HEAD = (
    "", "N", "{likeness}, %", "MSE ×10⁴", "β", "success, %", "F, %", "D, %", "success at 8 bits, %",
    "paper: {likeness}, %", "MSE ×10⁴", "success (F, D), %",
)  # fmt: skip
VARIANTS = ("W-LC", "W̃-LC", "W̃-SVDD (O_c)", "W̃-SVDD (O_d)")


def as_markdown(document: Mapping[str, Any], papers: Mapping[str, PaperNetwork], likeness: str) -> str:
    """likeness: SSIM or MS-SSIM. Two tables a network: accuracies, and attacks."""
    lines = []
    for name, network in document["networks"].items():
        paper = papers[name]
        ours = [
            *(f"{100 * value:.2f}" for value in network["accuracies"].values()),
            *(_interval(network["clean"][choice]["failed"]) for choice in ("O_c", "O_d")),
        ]
        lines += [f"**{name}**, accuracy on {document['test_photos']} test photos, %:", ""]
        lines += _table(("", *VARIANTS), [("here", *ours), ("paper", *(f"{value:.2f}" for value in paper.accuracies))])
        head = [cell.format(likeness=likeness) for cell in HEAD]
        lines += ["", *_table(head, _attacks(network, paper, document["test_photos"])), ""]
    return "\n".join([*lines, NOTES]).rstrip() + "\n"


def _attacks(network: Mapping[str, Any], paper: PaperNetwork, test_photos: int) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [
        ("no attack", str(test_photos), "", "", choice, *map(_interval, outcomes.values()), "", "", "", "")
        for choice, outcomes in network["clean"].items()
    ]
    for key, row in network["rows"].items():
        printed = paper.rows.get(key)
        theirs = {f"β = {beta:g}": shares for beta, shares in printed.outcomes.items()} if printed else {}
        said = (f"{printed.likeness:.2f}", f"{1e4 * printed.mse:.2f}") if printed else ("", "")
        for choice, outcomes in row["in_float"].items():
            shares = [f"{share:.2f}" for share in theirs.get(choice, ())]
            rows.append((
                row["title"], str(row["n"]), f"{100 * row['likeness']:.2f}", f"{1e4 * row['mse']:.3g}", choice,
                *map(_interval, outcomes.values()), f"{100 * row['at_8_bits'][choice]['success']['value']:.1f}",
                *said, f"{shares[0]} ({shares[1]}, {shares[2]})" if shares else "",
            ))  # fmt: skip
    return rows


def beta_plot(document: Mapping[str, Any]) -> bytes:
    """SVG: shares of success, F and D against β, a panel an attack, a line of panels a network."""
    from matplotlib.figure import Figure

    networks = document["networks"]
    columns = max(len(network["rows"]) for network in networks.values())
    figure = Figure(figsize=(3 * columns, 3 * len(networks)), layout="constrained")
    grid = figure.subplots(len(networks), columns, squeeze=False, sharex=True, sharey=True)
    for line, (name, network) in zip(grid, networks.items(), strict=True):
        for panel, row in zip(line, network["rows"].values(), strict=True):
            curves = zip(*row["against_beta"].values(), strict=True)
            betas = [float(beta) for beta in row["against_beta"]]
            for label, curve in zip(("success", "F", "D"), curves, strict=True):
                panel.plot(betas, curve, label=label)
            panel.set(title=f"{name}, {row['title']}", xlabel="β", ylim=(-0.02, 1.02))
    grid[0][0].legend()
    return as_svg(figure)


def _interval(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f} ({100 * share['low']:.1f}–{100 * share['high']:.1f})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_line(head), "|" + "---|" * len(head), *map(_line, rows)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
