"""A report's plots as inline SVG: text in, text out, colored by the page's variables so that dark mode works.

What cannot be drawn (withheld, or no face) becomes a paragraph that says why.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deid.audit.counts import BIN
from deid.audit.report import drawing
from deid.audit.report.drawing import BOTTOM, LEFT, RIGHT, STYLES, TOP, Point, Scale
from deid.images.handlings import AS_PUBLISHED

Json = dict[str, Any]
Bar = tuple[str, Json]  # its label, and a share with or without an interval
Entry = tuple[str, str, str]  # of a legend

_BARS = 12  # of the distribution over ranks; the ranks after them share one


def pmf_bars(gallery: Json, K: int) -> str:
    """Share of the published faces at each rank, with its interval, and the line 1/K; hollow, where it is higher, that
    of the faces at rank 1 at any look. Where faces may stand anywhere in a list, at its tenths, its first and its last
    place, and the lines of chance. gallery: its figures.
    """
    if "withheld" in gallery:
        return drawing.instead("distribution over ranks", gallery["withheld"])
    if not gallery["n"]:
        return drawing.instead("distribution over ranks", "no face")
    return _single_ranks(gallery, K) if gallery["whole_list"] is None else _tenths(gallery)


def _single_ranks(gallery: Json, K: int) -> str:
    ranks = sorted(gallery["pmf"], key=int)
    shown, rest = ranks[:_BARS], ranks[_BARS:]
    bars: list[Bar] = [(rank, gallery["pmf"][rank]) for rank in shown]
    if rest:
        # Their sum has no interval in the document, so none is drawn.
        bars.append((f"≥{rest[0]}", {"value": sum(gallery["pmf"][rank]["value"] for rank in rest)}))
    top, parts, legend = _bars(bars, gallery["any_look"]["value"], 1 / K)
    height = drawing.y_scale(top)(1 / K)
    parts.append(drawing.segment((LEFT, height), (RIGHT, height), drawing.color_of("control"), "6 4", "mark"))
    parts.append(drawing.x_title("rank of the true identity (1 = recognized)"))
    parts += drawing.legend([*legend, ("control", f"1/K = {1 / K:.2f}", "6 4")])
    return drawing.plot(f"Bars: share of {gallery['n']} published faces at each rank, beside the line 1/{K}", parts)


def _tenths(gallery: Json) -> str:
    of = gallery["whole_list"]
    ends = gallery["cumulative_match"]["1"], gallery["from_the_end"]["1"]
    grouped = [(f"{100 * tenth['last'] / of['size']:.0f}", tenth["main"]) for tenth in of["tenths"]]
    chances = [ends[0]["baseline"], *(tenth["baseline"] for tenth in of["tenths"]), ends[1]["baseline"]]
    bars: list[Bar] = [("first", ends[0]["main"]), *grouped, ("last", ends[1]["main"])]
    top, parts, legend = _bars(bars, gallery["any_look"]["value"], max(chances))
    y, step = drawing.y_scale(top), (RIGHT - LEFT) / len(bars)
    for number, chance in enumerate(chances):
        start, end = LEFT + number * step, LEFT + (number + 1) * step
        color = drawing.color_of("control")
        parts.append(drawing.segment((start, y(chance)), (end, y(chance)), color, "6 4", "mark"))
    parts.append(drawing.x_title(f"place in the list of {of['size']:,}: up to so many percent; first = recognized"))
    parts += drawing.legend([*legend, ("control", "chance", "6 4")])
    title = f"Bars: share of {gallery['n']} published faces in each tenth of the list, at its first and its last place"
    return drawing.plot(f"{title}, beside chance", parts)


def _bars(bars: Sequence[Bar], any_look: float, least: float) -> tuple[float, list[str], list[Entry]]:
    """The axis and the bars up to at least `least`: the highest value drawn, what is drawn, and its legend. The first
    bar is of rank 1.
    """
    top: float = max([least, any_look, *(share["high"] if "high" in share else share["value"] for _, share in bars)])
    y, step = drawing.y_scale(top), (RIGHT - LEFT) / len(bars)
    parts, legend = drawing.y_axis(top, "share of faces"), [("main", "faces, with 95 % interval", "box")]
    half = min(16, 0.32 * step)
    for number, (label, share) in enumerate(bars):
        middle = LEFT + (number + 0.5) * step
        parts.append(drawing.bar(middle, half, y(share["value"]), f"fill:{drawing.color_of('main')}"))
        if number == 0 and any_look > share["value"]:
            style = f"fill:none;stroke:{drawing.color_of('other')};stroke-width:2"
            parts.append(drawing.bar(middle, half, y(any_look), style))
            legend.append(("other", "at rank 1 at any look", ""))
        if "high" in share:
            parts += drawing.whisker(middle, y(share["low"]), y(share["high"]))
        parts.append(drawing.label(middle, BOTTOM + 16, label))
    return top, parts, legend


def cumulative_match(counts: Json, *, from_the_end: bool = False) -> str:
    """Share of faces at each rank or before it, clean and protected, and by chance; or the same, read from the end of
    the list. counts: of one gallery.
    """
    if "withheld" in counts:
        return drawing.instead("cumulative match curve", counts["withheld"])
    published, end, size = counts["handlings"][AS_PUBLISHED], counts["from_the_end"], counts["size"]
    curves = [
        ("main", "protected, this photo", end["places"] if from_the_end else published["ranks"]),
        ("other", "protected, another photo", end["places_other"] if from_the_end else published["ranks_other"]),
        ("control", "clean, another photo", end["control"] if from_the_end else counts["control"]["ranks"]),
    ]
    curves = [curve for curve in curves if sum(curve[2].values())]
    if not curves:
        return drawing.instead("cumulative match curve", "no face")
    y = drawing.y_scale(1)
    x = drawing.scale(0, math.log(size), LEFT, RIGHT)
    parts = drawing.y_axis(1, "share among the last so many" if from_the_end else "share found up to this rank")
    for rank in (10**power for power in range(len(str(size)))):
        parts += drawing.x_tick(x(math.log(rank)), f"{rank:,}")
    # Chance is a straight line in ranks, a curve in their logarithm.
    chance = [(x(math.log(size) * i / 60), y(math.exp(math.log(size) * (i / 60 - 1)))) for i in range(61)]
    parts.append(drawing.curve(chance, "baseline"))
    for style, _, ranks in reversed(curves):
        parts.append(drawing.curve(_steps(ranks, size, x, y), style))
    counted = "places from the end" if from_the_end else "rank"
    parts.append(drawing.x_title(f"{counted} (log scale; {size:,} identities)"))
    names = [(style, name, STYLES[style][2]) for style, name, _ in curves]
    parts += drawing.legend([*names, ("baseline", "chance", STYLES["baseline"][2])])
    found = "among the last so many of the list" if from_the_end else "up to each rank"
    return drawing.plot(
        f"Curves: share of faces whose true identity is found {found}, protected, clean and by chance", parts
    )


def score_histograms(histograms: Mapping[str, Mapping[str, int]], thresholds: Mapping[str, float]) -> str:
    """Cosines of clean pairs of one person and of two, and of protected faces with their originals, as shares.

    histograms: name → lower edge of a bin as text → count; thresholds: FAR → cosine.
    """
    names = {"impostor": ("baseline", "two people"), "genuine": ("control", "one person, two clean photos")}
    names["protected"] = ("main", "protected with its original")
    drawn = {name: histograms[name] for name in names if histograms.get(name)}
    if "protected" not in drawn:
        return drawing.instead("histograms of scores", "no face was compared")
    shares = {
        name: {round(float(edge) / BIN): n / sum(tally.values()) for edge, n in tally.items()}
        for name, tally in drawn.items()
    }
    bins = [number for histogram in shares.values() for number in histogram]
    if max(map(abs, bins)) * BIN > 1.1:
        raise ValueError("a cosine lies between -1 and 1")
    marks = list(thresholds.values())
    low, high = min([min(bins) * BIN, *marks]), max([(max(bins) + 1) * BIN, *marks])
    top = 1.1 * max(value for histogram in shares.values() for value in histogram.values())
    x, y = drawing.scale(low, high, LEFT, RIGHT), drawing.y_scale(top)
    parts = drawing.y_axis(top, "share of comparisons in a bin")
    step = drawing.round_step(high - low)
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        parts += drawing.x_tick(x(number * step), f"{number * step:.{0 if step >= 1 else 2 if step < 0.1 else 1}f}")
    for name, histogram in shares.items():
        parts.append(drawing.curve(_outline(histogram, x, y), names[name][0], filled=True))
    for number, (far, threshold) in enumerate(sorted(thresholds.items())):
        place = x(threshold)
        parts.append(drawing.segment((place, TOP), (place, BOTTOM), "var(--text, #1c2429)", "3 3", "mark"))
        anchor, shift = ("end", -4) if place > (LEFT + RIGHT) / 2 else ("start", 4)
        parts.append(drawing.label(place + shift, TOP + 10 + 14 * number, f"FAR {far}", anchor))
    parts.append(drawing.x_title("cosine similarity (right of a threshold: taken for the same person)"))
    parts += drawing.legend([(names[name][0], names[name][1], STYLES[names[name][0]][2]) for name in drawn])
    return drawing.plot(
        "Histograms: similarity of clean pairs and of protected faces with their originals, and thresholds", parts
    )


def _steps(ranks: Mapping[str, int], size: int, x: Scale, y: Scale) -> list[Point]:
    """The cumulative match curve as a staircase."""
    n, found = sum(ranks.values()), ranks.get("1", 0)
    points = [(x(0), y(found / n))]
    for rank in sorted(int(text) for text in ranks if text != "1"):
        points.append((x(math.log(rank)), y(found / n)))
        found += ranks[str(rank)]
        points.append((x(math.log(rank)), y(found / n)))
    return [*points, (x(math.log(size)), y(found / n))]


def _outline(shares: Mapping[int, float], x: Scale, y: Scale) -> list[Point]:
    """The outline of a histogram: shares by number of the bin."""
    points = []
    for number in range(min(shares), max(shares) + 1):
        height = y(shares.get(number, 0))
        points += [(x(number * BIN), height), (x((number + 1) * BIN), height)]
    return [(points[0][0], BOTTOM), *points, (points[-1][0], BOTTOM)]
