"""The curves as a table and as a plot. document: as it is written to rejection-NAME.json."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

TITLES = {"undefended": "undefended", "nr": "NR", "dnr": "DNR", "nr, retrained": "NR, retrained",
          "dnr, retrained": "DNR, retrained"}  # fmt: skip
NOTE = """\
Accuracy, in percent with its 95 % interval over all repeats together; the photos differ between repeats. ε: L2, pixels
in [0, 1]. A rejection counts as right where the photo was attacked, as wrong at ε = 0. θ rejects {share:.0f} % of
{clean} other clean test photos. The adversary follows gradients through network, kernels and θ; each ball's attack goes
on from the best of the one before. Retrained: the machines have learned from {found} training photos, too, as the
attack on them left them at ε = {radius:g}; the network is the same.

The study (Thanthulage, MNIST): clean accuracy of the network 98.95 %; DNR like NR up to ε = 3 and clearly above beyond,
both above the undefended network. Its γ = 0.01 and C = 0.1 are kept, γ for features brought to one scale a layer; its
θ = 0.9 is of scores on another scale.
"""


def as_markdown(document: Mapping[str, Any]) -> str:
    head = [f"ε = {radius:g}" for radius in document["radii"]]
    lines = [
        f"**{document['network']}**: {100 * document['accuracy']:.2f} % of {document['test_photos']} test photos; "
        f"{document['n']} attacked in {document['repeats']} repeats.",
    ]
    for what in ("accuracy", "rejected"):
        lines += ["", _line([f"{what}, %", *head]), "|" + "---|" * (1 + len(head))]
        for name, points in document["systems"].items():
            lines.append(_line([TITLES[name], *(_percent(point[what]) for point in points)]))
    note = NOTE.format(
        share=100 * document["share"],
        clean=document["calibrating_photos"],
        found=document["found"],
        radius=document["found_radius"],
    )
    return "\n".join([*lines, "", note])


def curves_plot(document: Mapping[str, Any]) -> bytes:
    """SVG: accuracy, and beside it rejection, over ε, with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    for panel, what in zip(figure.subplots(1, 2, sharey=True), ("accuracy", "rejected"), strict=True):
        for name, points in document["systems"].items():
            values, low, high = ([100 * point[what][key] for point in points] for key in ("value", "low", "high"))
            (line,) = panel.plot(document["radii"], values, marker=".", label=TITLES[name])
            panel.fill_between(document["radii"], low, high, color=line.get_color(), alpha=0.15, linewidth=0)
        panel.set(title=f"{what}, %", xlabel="ε (L2)", ylim=(-2, 102))
    panel.legend(fontsize=8)
    with io.BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()


def _percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f} ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
