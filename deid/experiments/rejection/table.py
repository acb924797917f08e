"""The curves as a table and as a plot. document: as it is written to rejection-NAME.json."""

from collections.abc import Mapping, Sequence
from typing import Any

from deid.experiments.results import as_svg

TITLES = {"undefended": "undefended", "nr": "NR", "dnr": "DNR", "nr, retrained": "NR, retrained",
          "dnr, retrained": "DNR, retrained"}  # fmt: skip
WHO = {
    "clean": "from the clean photo, as in the study",
    "fooled": "also from what fools the undefended network",
}
NOTE = """\
Accuracy, in percent with its 95 % interval over all repeats together; the photos differ between repeats. ε: L2, pixels
in [0, 1]. A rejection counts as right where the photo was attacked, as wrong at ε = 0. θ rejects {share:.0f} % of
{clean} other clean test photos. The adversary follows gradients through network, kernels and θ; each ball's attack goes
on from the best of the one before, and is said to start from the clean photo if from nowhere else. Retrained: the
machines have learned, too, from those of {found} training photos that the attack made them take for another class at
ε = {radius:g}; the network is the same.

The study (Thanthulage, MNIST): clean accuracy of the network 98.95 %; DNR like NR up to ε = 3 and clearly above beyond,
both above the undefended network. Its γ = 0.01 is kept, for features brought to one scale a layer; its C = 0.1 and
θ = 0.9 are of more photos and of scores on another scale.
"""


def as_markdown(document: Mapping[str, Any]) -> str:
    head = [f"ε = {radius:g}" for radius in document["radii"]]
    lines = [
        f"**{document['network']}**: {100 * document['accuracy']:.2f} % of {document['test_photos']} test photos; "
        f"{document['n']} attacked in {document['repeats']} repeats.",
    ]
    for who, systems in document["curves"].items():
        lines += ["", f"The adversary starts {WHO[who]}:"]
        for what in ("accuracy", "rejected"):
            lines += ["", _line([f"{what}, %", *head]), "|" + "---|" * (1 + len(head))]
            lines += [
                _line([TITLES[name], *(_percent(point[what]) for point in points)]) for name, points in systems.items()
            ]
    note = NOTE.format(
        share=100 * document["share"],
        clean=document["calibrating_photos"],
        found=document["attacked_for_retraining"],
        radius=document["found_radius"],
    )
    return "\n".join([*lines, "", note])


def curves_plot(document: Mapping[str, Any]) -> bytes:
    """SVG: accuracy over ε with intervals, a panel an adversary; dashed: the rejected share."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    panels = figure.subplots(1, len(document["curves"]), sharey=True, squeeze=False)[0]
    for panel, (who, systems) in zip(panels, document["curves"].items(), strict=True):
        for name, points in systems.items():
            values, low, high = ([100 * point["accuracy"][key] for point in points] for key in ("value", "low", "high"))
            (line,) = panel.plot(document["radii"], values, marker=".", label=TITLES[name])
            panel.fill_between(document["radii"], low, high, color=line.get_color(), alpha=0.15, linewidth=0)
            rejected = [100 * point["rejected"]["value"] for point in points]
            panel.plot(document["radii"], rejected, color=line.get_color(), linestyle="--", linewidth=0.8)
        panel.set(title=f"starts {WHO[who]}", xlabel="ε (L2)", ylim=(-2, 102))
    panels[0].set_ylabel("right, %; dashed: rejected, %")
    panels[-1].legend(fontsize=8)
    return as_svg(figure)


def _percent(share: Mapping[str, float]) -> str:
    return f"{100 * share['value']:.1f} ({100 * share['low']:.0f}–{100 * share['high']:.0f})"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
