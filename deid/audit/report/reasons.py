"""A report's verdict, and why: a reason is a verdict and the sentence that holds; the worst verdict is the report's."""

from collections.abc import Iterator, Sequence
from typing import Any

from deid.audit.report.answers import counted, kinds_of, some
from deid.audit.report.numbers import formatted
from deid.audit.report.summary import (
    GRAVE,
    NOT_AUDITED,
    ORDER,
    Verdict,
    process_verdict,
    worst_at_any_look,
    worst_share,
)

Json = dict[str, Any]
Reason = tuple[Verdict, str]


def judged(sets: Sequence[Json], K: int) -> tuple[Verdict, list[str]]:
    """The worst over the sets, and the sentences that say why; none where the conditions are met.

    sets: with the counts and figures that everybody is told, so that the private part judges as the shared one does.
    """
    reasons = [
        (verdict, f"Set {part['label']}: {text}" if len(sets) > 1 else text[:1].upper() + text[1:])
        for part in sets
        for verdict, text in _reasons(part, K)
    ]
    if not sets:
        return "inconclusive", ["Nothing was audited."]
    there = {verdict for verdict, _ in reasons}
    verdict: Verdict = next((verdict for verdict in ORDER if verdict in there), "met")
    return verdict, [text for of, text in reasons if of == verdict or verdict != "violated"]


def _reasons(part: Json, K: int) -> list[Reason]:
    counts, recognizers = part["counts"], part["figures"]["recognizers"]
    reasons = [*_first(recognizers), *_of_photos(counts["findings"])]
    if not counts["faces"]:
        return [*reasons, ("inconclusive", "no face was audited.")]
    reasons += [*_spread(recognizers, K), *_too_few(counts["persons"], recognizers), *_mute(recognizers)]
    return reasons


def _first(recognizers: Json) -> Iterator[Reason]:
    """At any look, the audit's own among them."""
    shares = {name: share["value"] or 0 for name, of in recognizers.items() if (share := worst_at_any_look(of))}
    names = [name for name, value in shares.items() if value]
    if not names:
        return
    own = any((share := worst_share(recognizers[name])) and share["value"] for name in names)
    where = "" if own else ", though only where another program finds the faces"
    most = formatted(max(shares.values()), "percent")
    yield "violated", f"people are put first by {some(names, recognizers)}{where}: up to {most} of the faces."


def _of_photos(findings: Sequence[Json]) -> Iterator[Reason]:
    if grave := [finding for finding in findings if finding["kind"] in GRAVE]:
        photos = len({finding["id"] for finding in grave})
        are = "photo is not what it" if photos == 1 else "photos are not what they"
        yield "violated", f"{photos} {are} should be: {kinds_of(grave)}."
    if open_ := [finding for finding in findings if finding["kind"] in NOT_AUDITED]:
        yield "inconclusive", f"{counted(len(open_), 'photo')} could not be audited: {kinds_of(open_)}."


def _spread(recognizers: Json, K: int) -> Iterator[Reason]:
    galleries = [
        (name, of)
        for name, recognizer in recognizers.items()
        for of in recognizer["galleries"].values()
        if of.get("this_set")
    ]

    def names(chosen: list[str]) -> str:
        return some(list(dict.fromkeys(chosen)), recognizers)

    if full := [name for name, of in galleries if of["this_set"]["condition_6"] == "violated"]:
        yield "violated", f"one rank holds more than 1/{K} of the faces, by {names(full)}."
    verdicts = [(name, process_verdict(of["process"])) for name, of in galleries]
    if favors := [name for name, of in galleries if of["process"]["condition_6"] == "violated"]:
        yield "violated", f"the process that made these photos favors a rank, by {names(favors)}."
    if uneven := [name for name, of in galleries if (of["within_person"] or {}).get("verdict") == "violated"]:
        yield "violated", f"some persons stand too often at one rank, by {names(uneven)}."
    if open_ := [name for name, verdict in verdicts if verdict == "inconclusive"]:
        yield "inconclusive", f"whether the process that made these photos favors a rank stays open, by {names(open_)}."


def _too_few(persons: int, recognizers: Json) -> Iterator[Reason]:
    galleries = [gallery for of in recognizers.values() for gallery in of["galleries"].values()]
    needed = [of["deciding_persons"] for of in galleries if "withheld" in of]
    processes = [of["process"] for of in galleries if of.get("process")]
    needed += [process["deciding_persons"] for process in processes if process_verdict(process) == "too few"]
    if needed:
        text = (
            f"{counted(persons, 'person')} {'is' if persons == 1 else 'are'} too few to judge how people are spread: "
        )
        yield "too few", f"{text}at least {max(needed)} are needed."


def _mute(recognizers: Json) -> Iterator[Reason]:
    """Recognizers that say nothing of these people."""
    if mute := [name for name, of in recognizers.items() if not of["galleries"]]:
        yield "inconclusive", f"there is no gallery to look these people up in for {some(mute, recognizers)}."
    if blind := [name for name, of in recognizers.items() if of["control"]["state"] == "failed"]:
        yield "inconclusive", f"these people are not known even in clean photos by {some(blind, recognizers)}."
    if not recognizers:
        yield "inconclusive", "no recognizer was asked."
