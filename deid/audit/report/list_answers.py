"""What the first screen of a report says of where people stand in recognizers' lists."""

from collections.abc import Iterator
from typing import Any

from deid.audit.report.answers import answered, none_of, percent, some
from deid.audit.report.numbers import formatted
from deid.audit.report.summary import ORDER, gallery_verdicts
from deid.audit.sets import FIRST_CANDIDATES
from deid.images.handlings import AS_PUBLISHED

Json = dict[str, Any]


def spread(figures: Json, titles: Json, K: int) -> Json:
    lookups = _lookups(figures, titles)
    verdicts = [_worst(gallery_verdicts(gallery)) for _, gallery in lookups]
    evidence = [
        f"{title}: {verdict}{_reasons(gallery, K)}{_effective(gallery)}"
        for (title, gallery), verdict in zip(lookups, verdicts, strict=True)
    ]
    met, violated = verdicts.count("met"), verdicts.count("violated")
    if not lookups:
        answer = "It is not known: there is no recognizer here that could be asked."
    elif violated:
        answer = f"No, not everywhere: violated in {violated} of {len(lookups)} galleries, met in {met}."
    elif met == len(lookups):
        answer = f"Yes: met in each of {len(lookups)} galleries, by these photos and by the process that made them."
    else:
        open_ = len(lookups) - met
        why = "the photos are too few to judge" if verdicts.count("too few") == open_ else "it cannot be said"
        answer = f"Of {open_} of {len(lookups)} galleries {why}."
    question = f"Is nobody the first guess, and does no rank of a list hold more than 1/{K} of the faces?"
    return answered(question, answer, evidence)


def _lookups(figures: Json, titles: Json) -> list[tuple[str, Json]]:
    """Recognizer and gallery by name, and the gallery's figures."""
    return [
        (f"{titles[name]}, {title}", gallery)
        for name, recognizer in figures.items()
        for title, gallery in recognizer["galleries"].items()
    ]


def _effective(gallery: Json) -> str:
    """1 / the largest share of the faces at one rank."""
    return "" if gallery.get("effective_k") is None else f"; effective K {gallery['effective_k']:.1f}"


def _worst(verdicts: list[Any]) -> str:
    return next(verdict for verdict in ORDER if verdict in verdicts)


def _reasons(gallery: Json, K: int) -> str:
    """Why a gallery's verdict is not «met», and what is."""
    if _worst(gallery_verdicts(gallery)) == "met":
        return ""
    return "".join(f"; {reason}" for reason in _not_met(gallery, K))


def _not_met(gallery: Json, K: int) -> Iterator[str]:
    first = gallery["handlings"][AS_PUBLISHED]["first"]
    if first["value"]:
        yield f"{formatted(first['value'], 'percent')} of the faces are at rank 1"
    if (gallery["any_look"]["value"] or 0) > (first["value"] or 0):
        yield f"{formatted(gallery['any_look']['value'], 'percent')} are at rank 1 as other programs may find them"
    if "withheld" in gallery:
        needed = gallery["deciding_persons"]
        yield f"the ranks are withheld, {gallery['withheld']}: at least {needed} persons would decide"
        return
    if gallery["this_set"] is None:
        yield "no face"
        return
    if gallery["this_set"]["condition_6"] == "violated":
        yield f"a rank holds more than 1/{K} of the faces"
    within, process = gallery["within_person"], gallery["process"]
    evenness = within["verdict"] if within else None
    if {*gallery["this_set"].values(), evenness} <= {"met", "not refuted", None}:
        yield "these photos themselves meet it"
    if evenness == "violated":
        yield f"too often at one rank: {within['uneven']} of {within['persons']} persons with several photos"
    if process["condition_6"] == "violated":
        yield "the process that made them favors a rank"
    if "inconclusive" in (process["condition_5"], process["condition_6"]):
        yield (
            f"of the process that made them {process['persons']} persons say too little, "
            f"about {process['deciding_persons']} would decide"
        )


def over_the_whole_list(figures: Json, titles: Json, spread_over: str, K: int) -> Json:
    """spread_over: where the set's faces were to stand, see `sets`."""
    question = "Are people spread evenly over a whole list, so that its last places tell no more than others?"
    if spread_over == FIRST_CANDIDATES:
        answer = f"Not by design: the profile paper puts people among the first {K + 1} of the list that it attacked."
        return answered(question, answer, [])
    lists = {title: of for title, gallery in _lookups(figures, titles) if (of := gallery.get("whole_list"))}
    if not lists:
        return answered(question, _not_told(figures), [])
    evidence = [f"{title}: {_ends(of)}; {_even(of)}" for title, of in lists.items()]
    uneven = sum("uneven" in (test["verdict"] for test in of["even"].values()) for of in lists.values())
    fuller = {end: sum(of["ends"][end]["more_than_its_share"] for of in lists.values()) for end in ("first", "last")}
    galleries = f"{len(lists)} galler{'y' if len(lists) == 1 else 'ies'}"
    if not uneven and not any(fuller.values()):
        answer = f"Nothing says otherwise in {galleries}: neither the first nor the last percent of a list holds more "
        answer += "than its share, and no test refutes an even spread."
    else:
        parts = [f"the {end} percent of the list holds more than its share in {n}" for end, n in fuller.items() if n]
        parts += [f"an even spread is refuted in {uneven}"] if uneven else []
        answer = f"No, not everywhere: of {galleries}, {', '.join(parts)}."
        if not fuller["last"]:
            answer += " The last percent is not found to hold more than its share."
    return answered(question, answer, evidence)


def _ends(of: Json) -> str:
    ends, last = of["ends"], of["ends"]["last"]
    line = ", ".join(f"the {end} percent of the list holds {percent(ends[end]['main'])}" for end in ends)
    fuller = [end for end in ends if ends[end]["more_than_its_share"]]
    more = f": the {fuller[0]} percent holds more than its share" if fuller else ""
    more = ": both hold more than their share" if len(fuller) == 2 else more
    chance = formatted(last["baseline"], "percent")
    return f"{line}, by chance {chance} ({last['places']:,} of {of['size']:,} places){more}"


def _even(of: Json) -> str:
    this_set, process = of["even"]["this_set"], of["even"]["process"]
    tests = [f"p = {formatted(test['p'], 'p')}, N\u00a0=\u00a0{test['n']}" for test in (this_set, process)]
    verdict = "refuted" if "uneven" in (this_set["verdict"], process["verdict"]) else "not refuted"
    return f"an even spread is {verdict}: {tests[0]} (one photo a person: {tests[1]})"


def at_the_ends(figures: Json, titles: Json, K: int) -> Json:
    shares, evidence = {}, []
    for name, recognizer in figures.items():
        told = [gallery for gallery in recognizer["galleries"].values() if "candidates" in gallery]
        if told:
            shares[name] = {
                end: max((gallery[end] for gallery in told), key=lambda share: share["value"])
                for end in ("candidates", "last_candidates")
            }
            first, last = (percent(share) for share in shares[name].values())
            chance = min(1, (K + 1) * max(gallery["handlings"][AS_PUBLISHED]["baseline_first"] for gallery in told))
            line = f"{titles[name]}: {first} of the faces are among the first {K + 1}, {last} among the last {K + 1}"
            evidence.append(f"{line}; by chance it would be {formatted(chance, 'percent')}")
    question = f"How many stand among the first {K + 1} candidates of a list, or among its last {K + 1}?"
    if not shares:
        return answered(question, _not_told(figures), [])
    most = {end: max(ends[end]["value"] for ends in shares.values()) for end in ("candidates", "last_candidates")}
    if any(most.values()):
        names = [name for name, ends in shares.items() if any(share["value"] for share in ends.values())]
        answer = f"By {some(names, shares)} up to {formatted(most['candidates'], 'percent')} of the faces among the "
        answer += f"first {K + 1} and up to {formatted(most['last_candidates'], 'percent')} among the last {K + 1}."
    else:
        answer = f"None: {none_of(shares, 'has', ' there')}."
    return answered(question, answer, evidence)


def _not_told(figures: Json) -> str:
    reason = "there are too few faces to tell of ranks" if figures else "no recognizer could be asked"
    return f"It is not told: {reason}."
