"""NAME.md: ours beside the paper's. document: as it is written to NAME.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from deid.experiments.tables.table import Paper, Table

NOTES = """\
Success: the true class is not first. Exactly at k: it is at the rank that was asked for. Both of the photos as they are
published, at 8 bits, unless it says «in float». MSE: a pixel, in [0, 1]. Gradients, and seconds of the processor: a
photo. (5): nobody is first. (6): no rank holds more than 1/K of the photos. Both of this set, then of the process that
made it (δ = {delta}, {independent} independent photos). The paper: Mygdalis, Tefas, Pitas, Neural Networks 124, 2020,
undefended.
"""
HEAD = (
    "", "N", "success, %", "in float, %", "exactly at k, %", "{likeness}, %", "CW-SSIM, %", "MSE ×10⁴", "gradients",
    "s", "(5)", "(6)", "paper: {likeness}, %", "MSE ×10⁴", "success, %", "pmf",
)  # fmt: skip


def as_markdown(document: Mapping[str, Any], table: Table) -> str:
    """A table for each network, and one of the ranks."""
    lines = []
    for name, network in document["networks"].items():
        head = [cell.format(likeness=table.likeness[0]) for cell in HEAD]
        left_out = f", {network['left_out']} of the sample left out" if network["left_out"] else ""
        lines += [
            f"**{name}**: {100 * network['accuracy']:.2f} % of {document['test_photos']} test photos{left_out}.",
            "",
            _line(head),
            "|" + "---|" * len(head),
        ]
        paper = table.paper.get(name, {})
        lines += [_line([*_ours(title, row), *_papers(paper.get(title))]) for title, row in network["rows"].items()]
        lines += ["", *_ranks(network["rows"]), ""]
    (rows, *_) = (network["rows"] for network in document["networks"].values())
    row = next(iter(rows.values()))
    notes = NOTES.format(delta=row["delta"], independent=row["independent"])
    return "\n".join([*lines, notes, *([table.note] if table.note else [])]).rstrip() + "\n"


def _ours(title: str, row: Mapping[str, Any]) -> list[str]:
    percent = [f"{100 * row[name]['value']:.1f}" for name in ("success", "success_in_float", "exact")]
    likeness, cw_ssim, mse, evaluations, seconds = (
        row[name]["mean"] for name in ("likeness", "cw_ssim", "mse", "evaluations", "seconds")
    )
    spread = "; ".join(f"K = {K}: {_verdicts(verdicts)}" for K, verdicts in row["condition_6"].items())
    figures = [f"{100 * likeness:.2f}", f"{100 * cw_ssim:.2f}", f"{1e4 * mse:.3g}", f"{evaluations:.3g}"]
    return [title, str(row["n"]), *percent, *figures, f"{seconds:.2g}", _verdicts(row["condition_5"]), spread]


def _papers(paper: Paper | None) -> list[str]:
    if paper is None:
        return [""] * 4
    figures = (f"{paper.likeness:.2f}", f"{1e4 * paper.mse:.3g}", f"{paper.success:.2f}")
    return [*("" if figure == "nan" else figure for figure in figures), paper.pmf]


def _verdicts(verdicts: Mapping[str, str]) -> str:
    return f"{verdicts['set']}, {verdicts['process']}"


def _ranks(rows: Mapping[str, Any]) -> list[str]:
    """Shares of the photos at each rank, in percent."""
    ranks = next(iter(rows.values()))["pmf"]
    shown = [rank for rank in ranks if any(row["pmf"][rank]["value"] for row in rows.values())]
    lines = [_line(["at rank, %", *shown]), "|" + "---|" * (1 + len(shown))]
    return lines + [_line([title, *(_share(row["pmf"][rank]) for rank in shown)]) for title, row in rows.items()]


def _share(share: Mapping[str, float]) -> str:
    """Without digits that its interval does not carry."""
    return f"{100 * share['value']:.0f}" if share["value"] else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
