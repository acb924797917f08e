"""A report as one HTML file, drawn from its document alone: no script, no request, readable in print and in the dark.

Every number of a table carries its path in report.json (`data-path`) and its raw value (`data-value`).
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from deid.audit.galleries import FPIR
from deid.audit.report import plots
from deid.audit.report.figures import CONTROL_FLOOR, MIN_PERSONS
from deid.audit.report.numbers import MISSING, formatted
from deid.audit.report.summary import GRAVE, worst_first
from deid.audit.report.whole_list import EVEN_LEVEL
from deid.images.handlings import AS_PUBLISHED

Json = dict[str, Any]
Path = tuple[str | int, ...]

# Verdict → the answer to the page's title, and what it means, for a lay person.
VERDICTS = {
    "met": (
        "Yes, in lookups by the recognizers that were asked",
        "Not one of them puts a person first, neither where this audit finds the faces nor where it imitates how other "
        "programs find them, and no place of their lists holds more people than was asked for. That "
        "is said of the photos as they were published. Whether it holds once they are saved again or resized, whether "
        "a list tells more when it is read from its end, and whether a one-to-one comparison still matches, are other "
        "questions: their answers are below.",
    ),
    "violated": (
        "No, not against everything that was asked",
        "The answers below say what holds all the same.",
    ),
    "too few": (
        "Too few to judge",
        "Nobody is put first. Whether people are spread over the lists, as was asked for, takes more photos to say.",
    ),
    "inconclusive": (
        "It cannot be said",
        "Nobody is put first, but that is not enough to say that they are protected.",
    ),
}
CLASS_MEANINGS = {
    "surrogate": "The protection was made against this very recognizer: it tells the least about others.",
    "related": "It taught a recognizer that was attacked, was taught by one, or shares training with one: it is nearer "
    "to the protection than a stranger's recognizer would be.",
    "independent": "It has nothing to do with the protection: of the recognizers here it is the nearest to a "
    "stranger's.",
    "unknown": "Nobody told what these photos were protected against, or what this recognizer was trained on: treat it "
    "as possibly attacked.",
}


def render(document: Json) -> str:
    """The page of a report, whole or shared. Raises ValueError for what is no such document."""
    recognizers = document.get("recognizers", {})
    try:
        return _template().render(
            d=document,
            num=lambda path, kind: _number(document, path, kind),
            share=lambda path: _share(document, path),
            median=lambda path, kind: _median(document, path, kind),
            word=lambda path: _word(document, path),
            fuller=lambda path: _fuller(document, path),
            leaves=lambda path: _leaves(at(document, path), path),
            worst_first=lambda figures: worst_first(recognizers, figures),
            plots=plots,
            thresholds=lambda counts: {
                far: comparison["threshold"] for far, comparison in counts["one_to_one"].items()
            },
            raw=Markup,
            verdicts=VERDICTS,
            meanings=CLASS_MEANINGS,
            grave=GRAVE,
            published=AS_PUBLISHED,
            floor=CONTROL_FLOOR,
            fpir=FPIR,
            min_persons=MIN_PERSONS,
            even_level=EVEN_LEVEL,
        )
    except (TemplateError, KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"not a report that can be drawn ({type(error).__name__}: {error})") from error


@cache
def drawn_by() -> str:
    """Tells apart what draws pages: a SHA-256, cut to 16 digits, of this folder's templates, styles and code."""
    digest = hashlib.sha256(version("jinja2").encode())
    for source in sorted(files("deid.audit.report").iterdir(), key=lambda source: source.name):
        if source.name.endswith((".jinja", ".css", ".py")):
            # As text: a checkout may end its lines otherwise.
            digest.update(f"\0{source.name}\0{source.read_text(encoding='utf-8')}".encode())
    return digest.hexdigest()[:16]


@cache
def _template() -> Any:
    def source(name: str) -> str:
        return files("deid.audit.report").joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True,
        loader=FunctionLoader(source),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["later_than"] = lambda rank, last: int(rank) > last
    return environment.get_template("report.html.jinja")


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def dotted(path: Path) -> str:
    """A path as text: keys and numbers joined by dots; a dot within a key is written ~1 and a tilde ~0."""
    return ".".join(str(key).replace("~", "~0").replace(".", "~1") for key in path)


def _tag(value: Any, path: Path, text: str, name: str = "") -> Markup:
    named = Markup(' class="{}"').format(name) if name else Markup("")
    data = Markup(' data-path="{}" data-value="{}"').format(dotted(path), json.dumps(value, ensure_ascii=False))
    return Markup("<span{}{}>{}</span>").format(named, data, text)


def _number(document: Json, path: Path, kind: str) -> Markup:
    value = at(document, path)
    return _tag(value, path, formatted(value, kind), "missing" if value is None else "number")


def _share(document: Json, path: Path) -> Markup:
    """A share with its interval and N."""
    return _interval(document, path, "percent")


def _median(document: Json, path: Path, kind: str) -> Markup:
    return _interval(document, path, kind)


def _interval(document: Json, path: Path, kind: str) -> Markup:
    """A value, its interval, and the number it rests on, each with its own path."""
    n = Markup("N\u00a0=\u00a0{}").format(_number(document, (*path, "n"), "count"))
    value = _number(document, (*path, "value"), kind)
    if at(document, (*path, "value")) is None:
        return Markup('{} <span class="interval">({})</span>').format(value, n)
    low, high = (_number(document, (*path, end), kind) for end in ("low", "high"))
    return Markup('{} <span class="interval">({} to {}, {})</span>').format(value, low, high, n)


def _word(document: Json, path: Path) -> Markup:
    """A verdict, marked by more than its color."""
    value = at(document, path)
    if value is None:
        return _tag(None, path, MISSING, "missing")
    kinds = dict.fromkeys(("met", "passed", "not refuted"), "met")
    kinds |= dict.fromkeys(("violated", "failed", "uneven"), "violated")
    return _tag(value, path, value, f"verdict {kinds.get(value, 'inconclusive')}")


def _fuller(document: Json, path: Path) -> Markup:
    """Whether an end of a list holds more than its share, marked by more than its color."""
    value = at(document, path)
    if value:
        return _tag(value, path, "holds more than its share", "verdict violated")
    return _tag(value, path, "not found", "verdict met")


def _leaves(value: Any, path: Path, names: Sequence[str] = ()) -> list[tuple[str, Markup]]:
    """[(name, value)] of everything below a path that is a single value."""
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in _leaves(part, (*path, key), (*names, str(key)))]
    if isinstance(value, list | tuple):
        return [leaf for i, part in enumerate(value) for leaf in _leaves(part, (*path, i), (*names, str(i + 1)))]
    shown = MISSING if value is None else {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return [(" › ".join(name.replace("_", " ") for name in names), _tag(value, path, shown))]
