"""What `reproduce adaptation` measured, as Markdown and as a plot. document: as in adaptation-PROFILE.json."""

from collections.abc import Mapping
from typing import Any

from deid.experiments.results import as_svg

# A table's heading, the photos it tells of, and the share.
TABLES = (
    ("matched at FAR 1e-2, another photo enrolled: protected, clean", ("protected", "clean"), "matched"),
    ("first in a search, another photo enrolled: protected, clean", ("protected", "clean"), "first"),
    ("matched at FAR 1e-2, the very photo enrolled: protected", ("same photo",), "matched"),
    ("first in a search, the very photo enrolled: protected", ("same photo",), "first"),
)


def as_table(document: Mapping[str, Any]) -> str:
    """Markdown: sentences that say what an adversary recovers, then tables of shares with their intervals."""
    names = list(document["classes"])
    lines = [
        f"Profile `{document['profile']}`: {document['people']} held-out people, {document['verified']} of their photos"
        f" verified; {document['enrolled']} people enrolled; learned from {document['pairs']} photos of others.",
        "",
        *(f"- {sentence}" for sentence in recovered(document)),
    ]
    heads = [f"{name}, {document['classes'][name]}" for name in names]
    for title, versions, share in TABLES:
        lines += ["", f"| {title} | " + " | ".join(heads) + " |"]
        lines.append("|" + "---|" * (1 + len(names)))
        for row in document["rows"]:
            cells = [_cell(row["recognizers"].get(name), versions, share) for name in names]
            lines.append(f"| {row['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def recovered(document: Mapping[str, Any]) -> list[str]:
    """Where an adversary matches or finds more than the plain recognizer, beyond both intervals; or that none does.

    And who matches most, which may be a plain one.
    """
    plain, *others = document["rows"]
    sentences = []
    for row in others:
        gains = [
            f"{name} {what} {_percent(figures['protected'][share])} instead of {_percent(before)}"
            f" (clean: {_value(figures['clean'][share])})"
            for name, figures in row["recognizers"].items()
            for share, what in (("matched", "matches"), ("first", "finds first"))
            if figures["protected"][share]["low"] > (before := plain["recognizers"][name]["protected"][share])["high"]
        ]
        if gains:
            sentences.append(f"**{row['title']}** recovers identities: {'; '.join(gains)}.")
    most = max(
        ((figures["protected"]["matched"], row["title"], name) for row in document["rows"]
         for name, figures in row["recognizers"].items()),
        key=lambda found: found[0]["value"],
    )  # fmt: skip
    nobody = ["No filter, denoiser or fine-tuning recovers more than the plain recognizer does, beyond the intervals."]
    return [*(sentences or nobody), f"The most of all is matched by {most[2]}, {most[1]}: {_percent(most[0])}."]


def plot(document: Mapping[str, Any]) -> bytes:
    """SVG: a panel a recognizer, a row a look: the share matched, protected with its interval, and clean."""
    from matplotlib.figure import Figure

    names, rows = list(document["classes"]), document["rows"][::-1]
    figure = Figure(figsize=(3 * len(names) + 1.5, 3.6), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        for place, row in enumerate(rows):
            if (figures := row["recognizers"].get(name)) is not None:
                share, clean = figures["protected"]["matched"], figures["clean"]["matched"]["value"]
                panel.plot([100 * share["low"], 100 * share["high"]], [place, place], color="tab:red")
                panel.plot(100 * share["value"], place, "o", color="tab:red", label="protected")
                panel.plot(100 * clean, place, "|", color="tab:gray", markersize=12, label="clean")
        panel.set(title=f"{name}\n{document['classes'][name]}", xlabel="matched, %", xlim=(-4, 104))
        panel.set_yticks(range(len(rows)), [row["title"] for row in rows])
    handles, labels = panel.get_legend_handles_labels()
    panel.legend(handles[:2], labels[:2], fontsize=7)
    return as_svg(figure)


def _cell(figures: Mapping[str, Any] | None, versions: tuple[str, ...], share: str) -> str:
    if figures is None:
        return ""
    first, *rest = (figures[version][share] for version in versions)
    return ", ".join([_percent(first), *map(_value, rest)])


def _percent(share: Mapping[str, float]) -> str:
    return f"{_value(share)} ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


def _value(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.0f} %"
