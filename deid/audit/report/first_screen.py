"""The first screen of a report: a question, its answer in one sentence, and what it rests on, in plain words."""

from typing import Any

from deid.audit.report.answers import answered, counted, none_of, percent, some
from deid.audit.report.defended_figures import defended
from deid.audit.report.list_answers import at_the_ends, over_the_whole_list, spread
from deid.audit.report.numbers import formatted
from deid.audit.report.photo_answers import complete, cost, every_face
from deid.audit.report.summary import worst_at_any_look, worst_first, worst_share
from deid.images.handlings import AS_PUBLISHED

Json = dict[str, Any]
FAR = "1e-2"  # of the one-to-one comparison that the first screen tells of


def first_screen(published_set: Json, recognizers: Json, K: int) -> list[Json]:
    """[{question, answer, evidence}] of one set; evidence: a line for each recognizer, the worst first."""
    unordered = published_set["figures"]["recognizers"]
    figures = {name: unordered[name] for name in worst_first(recognizers, unordered)}
    titles = {name: f"{name} ({recognizers[name]['class']})" for name in figures}
    return [
        *defended(figures, titles),
        _put_first(figures, titles),
        _found_elsewhere(figures, titles, published_set),
        _handled(figures, titles),
        spread(figures, titles, K),
        over_the_whole_list(figures, titles, published_set["counts"]["spread_over"], K),
        at_the_ends(figures, titles, K),
        _match(figures, titles),
        _independent(figures, recognizers),
        complete(published_set["counts"]),
        every_face(published_set["counts"]),
        cost(published_set["figures"]["quality"]),
    ]


def _put_first(figures: Json, titles: Json) -> Json:
    shares = {name: share for name, recognizer in figures.items() if (share := worst_share(recognizer)) and share["n"]}
    evidence = []
    for name in figures:
        if name not in shares:
            evidence.append(f"{titles[name]} could not be asked: it has no gallery to look faces up in")
            continue
        line = f"{titles[name]} puts {percent(shares[name])} of the faces first{_where(figures[name], shares[name])}"
        evidence.append(line + _DOUBT.get(figures[name]["control"]["state"], ""))
    first = [name for name, share in shares.items() if share["value"]]
    elsewhere = {name: share for name in shares if (share := worst_at_any_look(figures[name])) and share["value"]}
    states = {figures[name]["control"]["state"] for name in shares}
    if not shares:
        answer = "It is not known: there is no recognizer here that could be asked."
    elif first:
        most = max(shares[name]["value"] for name in first)
        answer = f"No: {some(first, shares)}, up to {formatted(most, 'percent')} of the faces."
    elif elsewhere:
        most = max(share["value"] for share in elsewhere.values())
        answer = f"Only where this audit's own search finds the faces. Elsewhere {some(list(elsewhere), shares)}, "
        answer += f"up to {formatted(most, 'percent')} of the faces."
    elif states == {"failed"}:
        answer = "It is not known: no recognizer that was asked knows these people even in clean photos."
    elif "passed" not in states:
        answer = "So it seems, but whether the recognizers that were asked know these people at all was not measured."
    else:
        answer = f"Yes: {none_of(shares, 'puts', ' first')}."
    return answered("Is nobody a recognizer's first guess any more?", answer, evidence)


def _found_elsewhere(figures: Json, titles: Json, published_set: Json) -> Json:
    """As other programs find the faces: at the worst of all looks, beside the audit's own."""
    shares = {name: share for name, of in figures.items() if (share := worst_at_any_look(of)) and share["n"]}
    evidence = []
    for name, share in shares.items():
        own = worst_share(figures[name])
        beside = f", {formatted(own['value'], 'percent')} where this audit finds them" if own else ""
        evidence.append(f"{titles[name]} puts {percent(share)} of the faces first at one look at least{beside}")
    counts, looks = published_set["counts"], published_set["figures"]["looks_a_face"]
    if looks is not None:
        evidence.append(f"every face was looked at in {looks:.1f} further ways on average, the file as published alone")
    first = [name for name, share in shares.items() if share["value"]]
    if not shares:
        answer = "It is not known: there is no recognizer here that could be asked."
    elif first:
        most = max(shares[name]["value"] for name in first)
        answer = f"No: {some(first, shares)}, up to {formatted(most, 'percent')} of the faces."
    else:
        answer = f"Yes: {none_of(shares, 'puts', ' first')}."
    if only := counts["first_elsewhere"]["faces"]:
        answer += f" {counted(only, 'face')} in {counted(counts['first_elsewhere']['photos'], 'photo')}, of "
        answer += f"{counts['faces']} faces, so only where another program finds them: the private part names them."
    question = "Is that so as other programs find the faces: by another detector, at another size, cut out?"
    return answered(question, answer, evidence)


_DOUBT = {
    "failed": ", but does not know these people even in clean photos: this proves nothing",
    "unavailable": "; whether it knows these people at all was not measured",
}


def _where(figures: Json, share: Json) -> str:
    """In which gallery that is, where there are several that differ."""
    shares = {name: gallery["handlings"][AS_PUBLISHED]["first"] for name, gallery in figures["galleries"].items()}
    worst = [name for name, in_gallery in shares.items() if in_gallery == share]
    others = [f"{percent(in_gallery)} among {name}" for name, in_gallery in shares.items() if in_gallery != share]
    return f" among {', '.join(worst)}; {', '.join(others)}" if others else ""


def _handled(figures: Json, titles: Json) -> Json:
    worst: dict[str, tuple[str, Json]] = {}
    for name, recognizer in figures.items():
        names = {handling for gallery in recognizer["galleries"].values() for handling in gallery["handlings"]}
        shares = {
            handling: share
            for handling in sorted(names - {AS_PUBLISHED})
            if (share := worst_share(recognizer, handling)) and share["n"]
        }
        if shares:
            worst[name] = max(shares.items(), key=lambda share: share[1]["value"])
    evidence = [
        f"{titles[name]}: most after «{handling}», {percent(share)} of the faces"
        for name, (handling, share) in worst.items()
    ]
    first = [name for name, (_, share) in worst.items() if share["value"]]
    if not worst:
        answer = "It is not known: there is no recognizer here that could be asked."
    elif first:
        most = max(worst[name][1]["value"] for name in first)
        answer = f"No: {some(first, worst)} after one of them, up to {formatted(most, 'percent')} of the faces."
    else:
        answer = f"Yes: {none_of(worst, 'puts', ' first')}."
    question = "Is that so after the photos were saved again, resized, blurred or shown on a screen?"
    return answered(question, answer, evidence)


def _match(figures: Json, titles: Json) -> Json:
    evidence, matched = [], {}
    for name, recognizer in figures.items():
        if FAR not in recognizer["one_to_one"]:
            evidence.append(f"{titles[name]} has no threshold")
            continue
        compared = recognizer["one_to_one"][FAR]
        own, any_look = _matching(compared["handlings"][AS_PUBLISHED]["main"]), _matching(compared["any_look"])
        if own["n"]:
            matched[name] = any_look["value"]
            line = f"{titles[name]} still matches {percent(own)}"
            evidence.append(f"{line}, as other programs may find the faces {percent(any_look)}")
    if not matched:
        answer = "It is not known: no face could be compared."
    elif any(matched.values()):
        names = [name for name, value in matched.items() if value]
        most = formatted(max(matched.values()), "percent")
        answer = f"No: {some(names, matched)} still match{'es' if len(names) == 1 else ''} up to {most} of the faces."
    else:
        answer = f"Yes: {none_of(matched, 'matches')}."
    question = "Does a one-to-one comparison with the original no longer match (at one false match in a hundred)?"
    return answered(question, answer, evidence)


def _matching(protection: Json) -> Json:
    """The share that matches, from the one that does not."""
    if not protection["n"]:
        return protection
    low, high = 1 - protection["high"], 1 - protection["low"]
    return {"value": 1 - protection["value"], "low": low, "high": high, "n": protection["n"]}


def _independent(figures: Json, recognizers: Json) -> Json:
    independent = [name for name in figures if recognizers[name]["class"] == "independent"]
    answering = [name for name in independent if figures[name]["galleries"] or figures[name]["one_to_one"]]
    if answering:
        answer = f"Yes: {', '.join(answering)}."
    elif independent:
        answer = (
            f"No. {', '.join(independent)} would be one, but there are too few people here to make decoys or a "
            "threshold, and none came with its weights."
        )
    elif any(recognizers[name]["class"] == "unknown" for name in figures):
        answer = (
            "Unknown: nobody told what these photos were protected against or what a recognizer was trained on, so "
            "treat every recognizer as possibly attacked."
        )
    else:
        answer = (
            "No. The recognizers asked were attacked themselves or are related to one that was; what others make of "
            "these photos is not known."
        )
    return answered("Was a recognizer asked that had nothing to do with the protection?", answer, [])
