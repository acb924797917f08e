"""What `reproduce similarity` measured, as Markdown and as a plot. document: as it is written to similarity.json."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deid.experiments.results import as_svg

STUDY = "99.5 %"  # of generation attempts detected, as the study gives it
NOTES = """\
Attempts: one attack on one photo each, by a new user, {queries} queries at most. Success: misclassified, at a root mean
square of the change of at most {radius:g}; too late: it came before the first alarm, so that blocking would not have
hindered it. Confidence lost, and the closest misclassified query (root mean square of its change): before the alarm.
Intervals: 95 %; of the medians, too. An alarm: {many} different near-duplicates before (SSIM {near:g} of copies of
32 × 32 pixels), or a confidence that fell {falls} times in a row, among the last {memory} queries of a user.

The study: Echeberria-Barrio and others, arXiv 2402.07496, on photos and a network that are not at hand.

What remains. Spread over accounts or pauses, never more than {unnoticed} queries of an attack are remembered together:
the attacker pays with accounts or time, and the guard sees nothing. So it is with many unrelated photos in between.
Whoever needs one query only is never noticed: an attack made on another network, or on a copy of this one, as this
program's own protection is. A guard slows down those who can do nothing but ask; it makes no recognizer robust.
"""


def as_markdown(document: Mapping[str, Any]) -> str:
    """Attempts beside the study's share, then adaptive attackers, then honest users."""
    settings = document["settings"]
    head = (
        "attack", "N", "detected, %", "study", "queries until the alarm; latest", "of them by falling confidence",
        "too late, %", "succeeds without a guard, %", "after queries", "confidence lost", "closest",
    )  # fmt: skip
    lines = [
        f"**{document['network']}** on {document['table']}: {100 * document['accuracy']:.2f} % of the test photos.",
        "",
        *_head(head),
    ]
    for title, row in document["attempts"].items():
        latest = f"; {row['alarms'][-1]}" if row["alarms"] else ""
        lines.append(
            _line(
                [
                    title, str(row["n"]), _share(row["detected"]), STUDY, _median(row["until_alarm"]) + latest,
                    str(row["by_falling"]), _share(row["too_late"]), _share(row["succeeded"]),
                    _median(row["until_success"]), _median(row["confidence_lost"], 3), _median(row["closest"], 3),
                ]
            )
        )  # fmt: skip
    if document["adaptive"]:
        title = f"HopSkipJump by who knows the guard, the first {document['replayed']} queries"
        lines += ["", *_head((title, "N", "detected, %", "queries until the alarm", "too late, %"))]
        lines += [
            _line([title, str(row["n"]), _share(row["detected"]), _median(row["until_alarm"]), _share(row["too_late"])])
            for title, row in document["adaptive"].items()
        ]
    lines += ["", *_head(("honest users", "N", "users disturbed, %", "queries", "false alarms"))]
    lines += [
        _line([title, str(row["n"]), _share(row["disturbed"]), str(row["queries"]), str(row["alarms"])])
        for title, row in document["bursts"].items()
    ]
    unnoticed = min(settings["many"], settings["falls"])
    return "\n".join(
        [
            *lines,
            "",
            NOTES.format(**settings, queries=document["queries"], radius=document["radius"], unnoticed=unnoticed),
        ]
    )


def plot(document: Mapping[str, Any]) -> bytes:
    """SVG: the share of attempts with an alarm against the queries asked, a curve an attack."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    panel = figure.subplots()
    for title, row in document["attempts"].items():
        shares = np.arange(1, len(row["alarms"]) + 1) / row["n"]
        queries, shares = [1, *row["alarms"], document["queries"]], [0, *shares, len(row["alarms"]) / row["n"]]
        panel.step(queries, shares, where="post", label=title)
    panel.set(xscale="log", xlabel="queries", ylabel="share of attempts with an alarm", ylim=(-0.02, 1.02))
    panel.legend(fontsize=7)
    return as_svg(figure)


def _share(share: Mapping[str, float]) -> str:
    if math.isnan(share["value"]):
        return ""
    return f"{100 * share['value']:.1f} ({100 * share['low']:.1f}–{100 * share['high']:.1f})"


def _median(median: Mapping[str, float], digits: int = 0) -> str:
    if math.isnan(median["value"]):
        return ""
    ends = (median["low"], median["high"])
    interval = f" ({ends[0]:.{digits}f}–{ends[1]:.{digits}f})" if all(map(math.isfinite, ends)) else ""
    return f"{median['value']:.{digits}f}{interval}"


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
