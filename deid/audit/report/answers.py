"""The words that answers on a report's first screen are made of."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from deid.audit.report.numbers import formatted

Json = dict[str, Any]


def answered(question: str, answer: str, evidence: list[str]) -> Json:
    return {"question": question, "answer": answer, "evidence": evidence}


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def kinds_of(findings: Sequence[Json], order: Sequence[str] = ()) -> str:
    """«2 swapped, 1 unchanged». order: of the kinds that come first."""
    kinds = Counter(finding["kind"] for finding in findings)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds, key=lambda kind: (kind not in order, kind)))


def some(names: list[str], recognizers: Json) -> str:
    return f"{', '.join(names)} ({len(names)} of {len(recognizers)} asked)"


def none_of(recognizers: Json, verb: str, rest: str = "") -> str:
    """«none of the 3 recognizers asked puts anybody first»."""
    if len(recognizers) > 1:
        return f"none of the {len(recognizers)} recognizers asked {verb} anybody{rest}"
    return f"{next(iter(recognizers))}, which was asked, {verb} nobody{rest}"


def percent(share: Json) -> str:
    """With its interval and N."""
    low, high = (f"{100 * share[end]:.1f}" for end in ("low", "high"))
    return f"{formatted(share['value'], 'percent')} ({low}–{high}, N\u00a0=\u00a0{share['n']})"
