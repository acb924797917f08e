"""A report's plots as inline SVG: text in, text out, colored by the page's variables so that dark mode works.

What cannot be drawn (withheld, or no face) becomes a paragraph that says why.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from deid.audit.counts import BIN
from deid.images.handlings import AS_PUBLISHED

Json = dict[str, Any]
Point = tuple[float, float]
Scale = Callable[[float], float]

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 444, 46, 250
_LETTER = 6.4  # mean width of a letter in the legend
_BARS = 12  # of the distribution over ranks; the ranks after them share one

# Name → (variable of the page, color where there is no page, dash). Dashes tell the lines apart without color.
_STYLES = {
    "main": ("--plot-main", "#0b6aa2", ""),
    "other": ("--plot-other", "#0d7d5c", "7 3"),
    "control": ("--plot-control", "#c4560a", "2 3"),
    "baseline": ("--plot-baseline", "#6b747b", "1 4"),
}


def pmf_bars(gallery: Json, K: int) -> str:
    """Share of the published faces at each rank, with its interval, and the line 1/K; hollow, where it is higher, that
    of the faces at rank 1 at any look. gallery: its figures.
    """
    if "withheld" in gallery:
        return _instead("distribution over ranks", gallery["withheld"])
    if not gallery["n"]:
        return _instead("distribution over ranks", "no face")
    ranks = sorted(gallery["pmf"], key=int)
    shown, rest = ranks[:_BARS], ranks[_BARS:]
    bars: list[tuple[str, Json]] = [(rank, gallery["pmf"][rank]) for rank in shown]
    if rest:
        # Their sum has no interval in the document, so none is drawn.
        bars.append((f"≥{rest[0]}", {"value": sum(gallery["pmf"][rank]["value"] for rank in rest)}))
    any_look = gallery["any_look"]["value"]
    top: float = max([1 / K, any_look, *(share["high"] if "high" in share else share["value"] for _, share in bars)])
    y = _y_scale(top)
    step = (RIGHT - LEFT) / len(bars)
    parts = _y_axis(top, "share of faces")
    legend = [("main", "faces, with 95 % interval", "box"), ("control", f"1/K = {1 / K:.2f}", "6 4")]
    for number, (label, share) in enumerate(bars):
        middle = LEFT + (number + 0.5) * step
        half = min(16, 0.32 * step)
        box = f'x="{middle - half:.1f}" y="{y(share["value"]):.1f}" width="{2 * half:.1f}"'
        parts.append(
            f'<rect class="mark" {box} height="{BOTTOM - y(share["value"]):.1f}" style="fill:{_color("main")}"/>'
        )
        if label == "1" and any_look > share["value"]:
            box = f'x="{middle - half:.1f}" y="{y(any_look):.1f}" width="{2 * half:.1f}"'
            style = f"fill:none;stroke:{_color('other')};stroke-width:2"
            parts.append(f'<rect class="mark" {box} height="{BOTTOM - y(any_look):.1f}" style="{style}"/>')
            legend.append(("other", "at rank 1 at any look", ""))
        if "high" in share:
            parts += _whisker(middle, y(share["low"]), y(share["high"]))
        parts.append(_text(middle, BOTTOM + 16, label))
    parts.append(_line((LEFT, y(1 / K)), (RIGHT, y(1 / K)), _color("control"), "6 4", "mark"))
    parts.append(_x_title("rank of the true identity (1 = recognized)"))
    parts += _legend(legend)
    return _svg(f"Bars: share of {gallery['n']} published faces at each rank, beside the line 1/{K}", parts)


def cumulative_match(counts: Json) -> str:
    """Share of faces at each rank or before it, clean and protected, and by chance. counts: of one gallery."""
    if "withheld" in counts:
        return _instead("cumulative match curve", counts["withheld"])
    published, size = counts["handlings"][AS_PUBLISHED], counts["size"]
    curves = [
        ("main", "protected, this photo", published["ranks"]),
        ("other", "protected, another photo", published["ranks_other"]),
        ("control", "clean, another photo", counts["control"]["ranks"]),
    ]
    curves = [curve for curve in curves if sum(curve[2].values())]
    if not curves:
        return _instead("cumulative match curve", "no face")
    y = _y_scale(1)
    x = _scale(0, math.log(size), LEFT, RIGHT)
    parts = _y_axis(1, "share found up to this rank")
    for rank in (10**power for power in range(len(str(size)))):
        parts += _x_tick(x(math.log(rank)), f"{rank:,}")
    # Chance is a straight line in ranks, a curve in their logarithm.
    chance = [(x(math.log(size) * i / 60), y(math.exp(math.log(size) * (i / 60 - 1)))) for i in range(61)]
    parts.append(_path(chance, "baseline"))
    for style, _, ranks in reversed(curves):
        parts.append(_path(_steps(ranks, size, x, y), style))
    parts.append(_x_title(f"rank (log scale; {size:,} identities)"))
    names = [(style, name, _STYLES[style][2]) for style, name, _ in curves]
    parts += _legend([*names, ("baseline", "chance", _STYLES["baseline"][2])])
    return _svg(
        "Curves: share of faces whose true identity is found up to each rank, protected, clean and by chance", parts
    )


def score_histograms(histograms: Mapping[str, Mapping[str, int]], thresholds: Mapping[str, float]) -> str:
    """Cosines of clean pairs of one person and of two, and of protected faces with their originals, as shares.

    histograms: name → lower edge of a bin as text → count; thresholds: FAR → cosine.
    """
    names = {"impostor": ("baseline", "two people"), "genuine": ("control", "one person, two clean photos")}
    names["protected"] = ("main", "protected with its original")
    drawn = {name: histograms[name] for name in names if histograms.get(name)}
    if "protected" not in drawn:
        return _instead("histograms of scores", "no face was compared")
    shares = {
        name: {round(float(edge) / BIN): n / sum(tally.values()) for edge, n in tally.items()}
        for name, tally in drawn.items()
    }
    bins = [number for histogram in shares.values() for number in histogram]
    marks = list(thresholds.values())
    low, high = min([min(bins) * BIN, *marks]), max([(max(bins) + 1) * BIN, *marks])
    top = 1.1 * max(value for histogram in shares.values() for value in histogram.values())
    x, y = _scale(low, high, LEFT, RIGHT), _y_scale(top)
    parts = _y_axis(top, "share of comparisons in a bin")
    step = _step(high - low)
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        parts += _x_tick(x(number * step), f"{number * step:.{0 if step >= 1 else 2 if step < 0.1 else 1}f}")
    for name, histogram in shares.items():
        parts.append(_path(_outline(histogram, x, y), names[name][0], filled=True))
    for number, (far, threshold) in enumerate(sorted(thresholds.items())):
        place = x(threshold)
        parts.append(_line((place, TOP), (place, BOTTOM), "var(--text, #1c2429)", "3 3", "mark"))
        anchor, shift = ("end", -4) if place > (LEFT + RIGHT) / 2 else ("start", 4)
        parts.append(_text(place + shift, TOP + 10 + 14 * number, f"FAR {far}", anchor))
    parts.append(_x_title("cosine similarity (right of a threshold: taken for the same person)"))
    parts += _legend([(names[name][0], names[name][1], _STYLES[names[name][0]][2]) for name in drawn])
    return _svg(
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


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (end - start) * (value - low) / ((high - low) or 1)


def _y_scale(top: float) -> Scale:
    return _scale(0, top, BOTTOM, TOP)


def _step(span: float) -> float:
    """A round distance that cuts a span into at most six parts."""
    return next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0) if span / step <= 6)


def _y_axis(top: float, title: str) -> list[str]:
    y, step = _y_scale(top), _step(top)
    parts = []
    for number in range(int(top / step + 1e-9) + 1):
        place = y(number * step)
        parts.append(_line((LEFT, place), (RIGHT, place), "var(--rule, #d9dee1)", ""))
        parts.append(_text(LEFT - 7, place + 4, f"{100 * number * step:.0f} %", "end"))
    middle = (TOP + BOTTOM) / 2
    parts.append(_text(14, middle, title, "middle", f' transform="rotate(-90 14 {middle:g})"'))
    return parts


def _x_tick(place: float, label: str) -> list[str]:
    mark = _line((place, BOTTOM), (place, BOTTOM + 4), "var(--muted, #57636b)", "")
    return [mark, _text(place, BOTTOM + 16, label)]


def _x_title(title: str) -> str:
    return _text((LEFT + RIGHT) / 2, HEIGHT - 12, title)


def _whisker(x: float, low: float, high: float) -> list[str]:
    color = "var(--text, #1c2429)"
    caps = [_line((x - 4, end), (x + 4, end), color, "") for end in (low, high)]
    return [_line((x, low), (x, high), color, "", "whisker"), *caps]


def _legend(entries: Sequence[tuple[str, str, str]]) -> list[str]:
    """[(style, name, dash or "box")] in as many rows as are needed."""
    parts: list[str] = []
    x, row = float(LEFT), 0
    for style, name, shape in entries:
        width = 26 + _LETTER * len(name) + 14
        if x > LEFT and x + width > WIDTH:
            x, row = float(LEFT), row + 1
        y = 10 + 15 * row
        if shape == "box":
            parts.append(f'<rect x="{x:.1f}" y="{y - 5}" width="18" height="10" style="fill:{_color(style)}"/>')
        else:
            parts.append(_line((x, y), (x + 20, y), _color(style), shape, width=2))
        parts.append(_text(x + 26, y + 4, name, "start"))
        x += width
    return parts


def _path(points: Sequence[Point], style: str, *, filled: bool = False) -> str:
    color, dash = _color(style), _STYLES[style][2]
    line = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    fill = f"fill:{color};fill-opacity:.18" if filled else "fill:none"
    dashed = f";stroke-dasharray:{dash}" if dash else ""
    return f'<path class="mark" d="M{line}" style="{fill};stroke:{color};stroke-width:2{dashed}"/>'


def _line(start: Point, end: Point, color: str, dash: str, name: str = "", width: float = 1) -> str:
    dashed = f";stroke-dasharray:{dash}" if dash else ""
    named = f' class="{name}"' if name else ""
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line{named} {ends} style="stroke:{color};stroke-width:{1.5 if name else width}{dashed}"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _color(style: str) -> str:
    variable, color, _ = _STYLES[style]
    return f"var({variable}, {color})"


def _svg(title: str, parts: Sequence[str]) -> str:
    style = "font:12px system-ui,sans-serif;fill:var(--text, #1c2429)"
    opening = f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" style="{style}"'
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{"".join(parts)}</svg>'


def _instead(what: str, why: str) -> str:
    return f'<p class="no-plot">No {escape(what)} is drawn: {escape(why)}.</p>'
