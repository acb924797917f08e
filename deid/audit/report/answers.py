"""The words that answers on a report's first screen are made of."""

from typing import Any

from deid.audit.report.numbers import formatted

Json = dict[str, Any]


def answered(question: str, answer: str, evidence: list[str]) -> Json:
    return {"question": question, "answer": answer, "evidence": evidence}


def counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def some(names: list[str], recognizers: Json) -> str:
    return f"{', '.join(names)} ({len(names)} of {len(recognizers)} asked)"


def none_of(recognizers: Json) -> str:
    if len(recognizers) > 1:
        return "none of the recognizers that were asked"
    return f"not {next(iter(recognizers))}, which was asked"


def percent(share: Json) -> str:
    """With its interval and N."""
    low, high = (f"{100 * share[end]:.1f}" for end in ("low", "high"))
    return f"{formatted(share['value'], 'percent')} ({low}–{high}, N\u00a0=\u00a0{share['n']})"
