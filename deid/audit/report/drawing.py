"""What plots are drawn of, as text of SVG: scales, axes, lines, bars, legends."""

from collections.abc import Callable, Sequence
from html import escape

Point = tuple[float, float]
Scale = Callable[[float], float]

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 444, 46, 250
_LETTER = 6.4  # mean width of a letter in the legend

# Name → (variable of the page, color where there is no page, dash). Dashes tell the lines apart without color.
STYLES = {
    "main": ("--plot-main", "#0b6aa2", ""),
    "other": ("--plot-other", "#0d7d5c", "7 3"),
    "control": ("--plot-control", "#c4560a", "2 3"),
    "baseline": ("--plot-baseline", "#6b747b", "1 4"),
}


def scale(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (end - start) * (value - low) / ((high - low) or 1)


def y_scale(top: float) -> Scale:
    return scale(0, top, BOTTOM, TOP)


def round_step(span: float) -> float:
    """A round distance that cuts a span into at most six parts. Raises ValueError for a span that none does."""
    for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0):
        if span / step <= 6:
            return step
    raise ValueError(f"shares and cosines span no {span:g}")


def y_axis(top: float, title: str) -> list[str]:
    y, step = y_scale(top), round_step(top)
    parts = []
    for number in range(int(top / step + 1e-9) + 1):
        place = y(number * step)
        parts.append(segment((LEFT, place), (RIGHT, place), "var(--rule, #d9dee1)", ""))
        parts.append(label(LEFT - 7, place + 4, f"{100 * number * step:.0f} %", "end"))
    middle = (TOP + BOTTOM) / 2
    parts.append(label(14, middle, title, "middle", f' transform="rotate(-90 14 {middle:g})"'))
    return parts


def x_tick(place: float, named: str) -> list[str]:
    mark = segment((place, BOTTOM), (place, BOTTOM + 4), "var(--muted, #57636b)", "")
    return [mark, label(place, BOTTOM + 16, named)]


def x_title(title: str) -> str:
    return label((LEFT + RIGHT) / 2, HEIGHT - 12, title)


def bar(middle: float, half: float, top: float, style: str) -> str:
    """From the axis up to `top`, `half` to each side."""
    box = f'x="{middle - half:.1f}" y="{top:.1f}" width="{2 * half:.1f}" height="{BOTTOM - top:.1f}"'
    return f'<rect class="mark" {box} style="{style}"/>'


def whisker(x: float, low: float, high: float) -> list[str]:
    color = "var(--text, #1c2429)"
    caps = [segment((x - 4, end), (x + 4, end), color, "") for end in (low, high)]
    return [segment((x, low), (x, high), color, "", "whisker"), *caps]


def legend(entries: Sequence[tuple[str, str, str]]) -> list[str]:
    """[(style, name, dash or "box")] in as many rows as are needed."""
    parts: list[str] = []
    x, row = float(LEFT), 0
    for style, name, shape in entries:
        width = 26 + _LETTER * len(name) + 14
        if x > LEFT and x + width > WIDTH:
            x, row = float(LEFT), row + 1
        y = 10 + 15 * row
        if shape == "box":
            parts.append(f'<rect x="{x:.1f}" y="{y - 5}" width="18" height="10" style="fill:{color_of(style)}"/>')
        else:
            parts.append(segment((x, y), (x + 20, y), color_of(style), shape, width=2))
        parts.append(label(x + 26, y + 4, name, "start"))
        x += width
    return parts


def curve(points: Sequence[Point], style: str, *, filled: bool = False) -> str:
    color, dash = color_of(style), STYLES[style][2]
    line = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    fill = f"fill:{color};fill-opacity:.18" if filled else "fill:none"
    dashed = f";stroke-dasharray:{dash}" if dash else ""
    return f'<path class="mark" d="M{line}" style="{fill};stroke:{color};stroke-width:2{dashed}"/>'


def segment(start: Point, end: Point, color: str, dash: str, name: str = "", width: float = 1) -> str:
    dashed = f";stroke-dasharray:{dash}" if dash else ""
    named = f' class="{name}"' if name else ""
    ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
    return f'<line{named} {ends} style="stroke:{color};stroke-width:{1.5 if name else width}{dashed}"/>'


def label(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def color_of(style: str) -> str:
    variable, color, _ = STYLES[style]
    return f"var({variable}, {color})"


def plot(title: str, parts: Sequence[str]) -> str:
    style = "font:12px system-ui,sans-serif;fill:var(--text, #1c2429)"
    opening = f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" style="{style}"'
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{"".join(parts)}</svg>'


def instead(what: str, why: str) -> str:
    return f'<p class="no-plot">No {escape(what)} is drawn: {escape(why)}.</p>'
