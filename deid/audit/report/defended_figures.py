"""What a report says of recognizers behind defenses: the shares of a set's faces, and who would learn what."""

from typing import Any

from deid.audit.report.answers import answered, percent
from deid.audit.report.numbers import formatted
from deid.audit.report.shares import share

Json = dict[str, Any]
TALLIES = ("published", "clean", "undefended", "undefended_clean")
QUESTION = "Does the protection hold against recognizers that defend themselves?"
KNOWN_AT_LEAST = 0.5  # of clean faces: below it a defense's failure on protected ones proves nothing


def defended_figures(defenses: Json) -> Json:
    """Defense → what is known → shares with their intervals, from the counts of one recognizer.

    success, failed and detected are the attack's: another identity is named, the person, or an attack. baseline: of a
    guess among all identities; recovers: whether the person is named more often than that, with 95 % confidence.
    """
    return {name: {knows: _figures(counts) for knows, counts in asked.items()} for name, asked in defenses.items()}


def _figures(counts: Json) -> Json:
    figures: Json = {name: _outcomes(counts[name]) for name in TALLIES}
    baseline, named = 1 / counts["identities"], figures["published"]["failed"]
    return figures | {"baseline": baseline, "recovers": bool(named["n"] and named["low"] > baseline)}


def _outcomes(tally: Json) -> Json:
    n = sum(tally.values())
    return {outcome: share(count, n) for outcome, count in tally.items()}


def defended(figures: Json, titles: Json) -> list[Json]:
    """The answer on the first screen; none where no defense was asked. figures: of the recognizers, by name."""
    if not any(recognized["defenses"] for recognized in figures.values()):
        return []
    rows = _rows(figures, titles)
    recovering = [row for row in rows if row[2]["recovers"]]
    if not rows:
        answer = "It is not known: no face is of a person whom a defense could learn."
    elif recovering:
        answer = f"No: an adversary who runs them would learn {_learned(*recovering[0][1:])}."
    else:
        answer = "Yes, they name nobody more often than a guess would: an adversary who runs them would learn "
        answer += f"{_learned(*rows[0][1:])}."
    worst = {recognizer: _evidence(title, of) for recognizer, title, of in reversed(rows)}
    return [answered(QUESTION, answer, [*reversed(worst.values())])]


def defended_lines(published_set: Json, recognizers: Json) -> list[str]:
    """The table attack × defense of one set as text, a line a row."""
    titles = {name: f"{name} ({about['class']})" for name, about in recognizers.items()}
    return [_evidence(title, of) for _, title, of in _rows(published_set["figures"]["recognizers"], titles)]


def _rows(figures: Json, titles: Json) -> list[tuple[str, str, Json]]:
    """(recognizer, title, figures) wherever somebody was asked about, the person named most often first."""
    rows = [
        (recognizer, f"{name} before {titles[recognizer]}, {knows} known", of)
        for recognizer, recognized in figures.items()
        for name, asked in recognized["defenses"].items()
        for knows, of in asked.items()
        if of["published"]["failed"]["n"]
    ]
    return sorted(rows, key=lambda row: -row[2]["published"]["failed"]["value"])


def _learned(title: str, of: Json) -> str:
    published = of["published"]
    named, without = published["failed"], of["undefended"]["failed"]
    told = f"who is on {percent(named)} of the faces ({title}; {formatted(without['value'], 'percent')} without it)"
    detected, alarms = published["detected"], of["clean"]["detected"]
    if detected["value"]:
        told += f", and takes {formatted(detected['value'], 'percent')} for an attack, of the clean originals "
        told += formatted(alarms["value"], "percent")
    return told


def _evidence(title: str, of: Json) -> str:
    published, clean = of["published"], of["clean"]
    line = f"{title}: names the person on {percent(published['failed'])} of the faces, somebody else on "
    line += f"{percent(published['success'])}, and takes {percent(published['detected'])} for an attack; "
    line += f"of the clean originals {percent(clean['failed'])} and {percent(clean['detected'])}"
    if clean["failed"]["value"] < KNOWN_AT_LEAST:
        line += ", so that what it does not name proves nothing"
    return line
