"""What `deid reproduce training` prints and draws. document: as it is written to training.json."""

from collections.abc import Mapping, Sequence
from typing import Any

NOTES = """\
Success, in percent, with its 95 % interval: the defended network, which the attack knew, names another class at 8 bits;
the rest failed (F): none of these defenses says «adversarial». Attacked: test photos that the network names rightly
when clean. FGSM: L∞, ε = {epsilon:.3g}. PGD: L2, radius {radius:g}, {steps} steps along cross-entropy; adaptive: along
differences of logits. C&W: toward the second class, 5 × {cw_steps} steps. 5-A³: to a rank from 2 to 6. Below each: mean
L2 and {likeness} (%) of those that succeeded. FGS is trained at this ε, PGD at this radius.
"""


def as_markdown(document: Mapping[str, Any]) -> str:
    """What the checks found, the table, its notes."""
    rows = document["rows"].values()
    titles = list(next(iter(rows))["attacks"])
    found = [f"- {row['title']}: {finding['says']}" for row in rows for finding in row["findings"]]
    lines = [
        f"**{document['network']}**, {document['test_photos']} test photos.",
        "",
        *(["**Do not believe a failed attack here:**", "", *found, ""] if found else []),
        _line(["", "clean, %", "attacked", *titles, "gradients"]),
        "|" + "---|" * (4 + len(titles)),
    ]
    for row in rows:
        names = ", ".join(finding["name"] for finding in row["findings"])
        attacks = row["attacks"].values()
        successes = [_percent(attack["success"]) for attack in attacks]
        lines.append(
            _line([row["title"], _percent(row["accuracy"]), str(row["n"]), *successes, names or "nothing found"])
        )
        lines.append(_line(["", "", "", *map(_needed, attacks), ""]))
    notes = NOTES.format(**document)
    papers = [f"{row['title'][0].upper()}{row['title'][1:]}: {row['paper']}." for row in rows if row["paper"]]
    return "\n".join([*lines, "", notes, *papers]).rstrip() + "\n"


def plot(document: Mapping[str, Any]) -> Any:
    """A figure of matplotlib's: success by attack, a color a training, with intervals."""
    from matplotlib.figure import Figure

    rows = list(document["rows"].values())
    titles = list(rows[0]["attacks"])
    figure = Figure(figsize=(2 * len(titles) + 2, 4), layout="constrained")
    panel, width = figure.subplots(), 0.8 / len(rows)
    for at, row in enumerate(rows):
        shares = [row["attacks"][title]["success"] for title in titles]
        values = [share["value"] for share in shares]
        errors = [
            [max(0.0, share["value"] - share["low"]) for share in shares],
            [max(0.0, share["high"] - share["value"]) for share in shares],
        ]
        places = [place + at * width for place in range(len(titles))]
        panel.bar(places, values, width, yerr=errors, capsize=2, label=row["title"])
    panel.set_xticks([place + 0.4 - width / 2 for place in range(len(titles))], titles)
    panel.set(title=document["network"], ylabel="success of the attack", ylim=(0, 1.05))
    panel.legend(fontsize=7)
    return figure


def _percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f} ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


def _needed(attack: Mapping[str, Any]) -> str:
    return "" if attack["l2"] is None else f"{attack['l2']:.2f}; {100 * attack['likeness']:.1f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
