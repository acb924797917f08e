"""Numbers of a report as text."""

from typing import Any

MISSING = "not available"


def formatted(value: Any, kind: str) -> str:
    """A number of the document as text. kind: percent (of a share), count, decimal, p, dB or plain."""
    if value is None:
        return MISSING
    if kind == "count":
        return f"{value:,}"
    if kind == "percent":
        return f"{_bounded(100 * value, 1, 100)}\u00a0%"
    if kind == "decimal":
        return f"{value:.3f}"
    if kind == "p":
        return "< 0.001" if 0 < value < 0.001 else f"{value:.3f}"
    if kind == "dB":
        return f"{value:.1f}\u00a0dB"
    return str(value)


def _bounded(value: float, digits: int, top: float) -> str:
    """Rounded, but never to 0 or to the top what is neither."""
    least = 10.0**-digits
    if 0 < value < least / 2:
        return f"< {least:g}"
    if top - least / 2 < value < top:
        return f"> {top - least:g}"
    return f"{value:.{digits}f}"
