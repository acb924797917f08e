"""A report.json as it is read: anybody may have made it, so it is bounded before a figure is computed from it."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from deid.anonymity.groups import MAX_K
from deid.errors import UsageError, reason_of

Json = dict[str, Any]

LARGEST = 50 << 20  # bytes
DEEPEST = 32  # objects and lists in one another; a report has 11
MOST = 10_000_000  # faces, photos or places in a list: far more than anybody audits


def read_document(path: Path) -> Json:
    """The object in a file. Raises UsageError for none, for one that is too large or too deep, that says one thing
    twice, or whose counts are beyond all measure.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is not a report: it is larger than {LARGEST >> 20} MB")
        document = json.loads(
            path.read_text(encoding="utf-8"), object_pairs_hook=_object, parse_float=_number, parse_constant=_no_number
        )
        _check_depth(document)
        if not isinstance(document, dict):
            raise TypeError("no JSON object")
        _check_counts(document)
    except RecursionError:
        raise UsageError(f"{path} is not a report: its parts lie too deep in one another") from None
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(f"{path} is not a report: {reason_of(error)}") from None
    return document


def _object(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise ValueError(f"it says «{twice[:40]}» twice")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _no_number(text)
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no number of a report")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(DEEPEST):
        level = [part for value in level if isinstance(value, dict | list) for part in _parts(value)]
        if not level:
            return
    raise ValueError("its parts lie too deep in one another")


def _check_counts(document: Json) -> None:
    """Of a document that has any: one of another version may have none, and is refused for that later."""
    K = document.get("configuration", {}).get("k_level")
    if isinstance(K, int | float) and not 1 <= K <= MAX_K:
        raise ValueError(f"an anonymity level of {K:.6g}")
    for published_set in document.get("sets", []):
        counts = published_set.get("counts", {})
        faces = _checked(counts.get("faces", 0), MOST, "faces")
        _check_below(counts, MOST, max(MOST, faces * faces), "counts")


def _check_below(counts: Any, most: float, most_pairs: float, name: str) -> None:
    """Every number in it, and every one that a name is. most_pairs: of what is counted in pairs of faces."""
    if isinstance(counts, dict):
        for key, value in counts.items():
            if key.lstrip("-").isdecimal():
                _checked(int(key), most, name)
            _check_below(value, most_pairs if key == "linked" else most, most_pairs, key)
    elif isinstance(counts, list):
        for value in counts:
            _check_below(value, most, most_pairs, name)
    elif isinstance(counts, int | float):
        _checked(counts, most, name)


def _checked(count: Any, most: float, name: str) -> float:
    if abs(count) > most:
        raise ValueError(f"a count of more than {most:.6g} ({name[:40]!r}) is beyond all measure")
    return float(count)


def _parts(value: Json | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
