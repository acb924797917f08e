"""Every figure of a report, derived from its counts. `deid audit --check` derives them again and compares.

A count is a number of faces, pairs or photos; what is derived is a share with its interval, a verdict, a sentence.
Nothing here looks at a photo.
"""

from collections.abc import Sequence
from typing import Any

from deid.anonymity.conditions import condition_5, condition_6
from deid.anonymity.even_spread import even_spread_p_value, holm
from deid.anonymity.intervals import upper_bound
from deid.anonymity.rank_pmf import RankPmf
from deid.anonymity.verdicts import deciding_number, process_verdict
from deid.audit.galleries import FPIR
from deid.audit.report.defended_figures import defended_figures
from deid.audit.report.shares import median, ranks_of, share, standing
from deid.audit.report.whole_list import whole_list
from deid.audit.sets import FIRST_CANDIDATES
from deid.images.handlings import AS_PUBLISHED

DELTA = 0.1  # tolerance δ of the verdict on the process
FACES_PER_RANK = 5  # under this many times K no pmf is shared, and none is judged
MIN_PERSONS = 30  # fewer decide nothing about a process
CMC_RANKS = (1, 5, 50)
CMC_LAST = (1, 10)  # a list can be read from its end as well
# Below this share of clean faces known from another photo, a recognizer's failure on protected ones proves nothing.
CONTROL_FLOOR = 0.5
CONTROL_FAR = "1e-2"  # of the one-to-one comparison that counts there
WITHIN_LEVEL = 0.05

Json = dict[str, Any]


def figures_of(counts: Json, K: int) -> Json:
    """All figures of one published set. counts: what `sets.count_published` makes; K: the anonymity level."""
    over_all = counts["spread_over"] != FIRST_CANDIDATES
    return {
        "recognizers": {name: _recognizer(found, K, over_all) for name, found in counts["recognizers"].items()},
        "quality": {name: median(histogram) for name, histogram in counts["quality"].items()},
        "findings": {"photos_with_findings": len({finding["id"] for finding in counts["findings"]})},
        "first_elsewhere": share(counts["first_elsewhere"]["faces"], counts["faces"]),
        "second_look": share(counts["second_look"]["faces"], counts["faces"]),
        "looks_a_face": counts["further_looks"] / counts["faces"] if counts["faces"] else None,
    }


def _recognizer(counts: Json, K: int, over_all: bool) -> Json:
    """over_all: whether faces may stand anywhere in the list, and not only among its first K+1."""
    galleries = {name: _gallery(gallery, K, over_all) for name, gallery in counts["galleries"].items()}
    one_to_one = {far: _one_to_one(comparison) for far, comparison in counts["one_to_one"].items()}
    return {
        "galleries": galleries,
        "one_to_one": one_to_one,
        "linked": {far: _linked(pairs) for far, pairs in counts["linked"].items()},
        "control": _control(galleries, one_to_one),
        "defenses": defended_figures(counts["defenses"]),
    }


def _gallery(counts: Json, K: int, over_all: bool) -> Json:
    any_look = share(counts["any_look"]["first"], counts["any_look"]["n"])
    if "withheld" in counts:
        handlings = {
            name: {"first": share(handled["first"], handled["n"])} for name, handled in counts["handlings"].items()
        }
        needed = max(FACES_PER_RANK * K, _deciding(K, counts["size"], over_all))
        return {
            "withheld": counts["withheld"],
            "handlings": handlings,
            "any_look": any_look,
            "deciding_persons": needed,
        }
    published, control, end = counts["handlings"][AS_PUBLISHED], counts["control"], counts["from_the_end"]
    size = counts["size"]
    first = [ranks_of(tally) for tally in (published["ranks"], published["ranks_other"], control["ranks"])]
    last = [ranks_of(end[name]) for name in ("places", "places_other", "control")]
    ranks, independent = first[0], ranks_of(counts["one_per_person"])
    figures: Json = {
        "handlings": {name: _handling(handled, K, size) for name, handled in counts["handlings"].items()},
        "cumulative_match": {str(places): _matched(first, places, size) for places in CMC_RANKS},
        "from_the_end": {str(places): _matched(last, places, size) for places in CMC_LAST},
        "open_set": {
            "main": share(published["missed"], ranks.n),
            "control": share(control["missed"], first[2].n),
            "baseline": 1 - FPIR / size,
        },
        "any_look": any_look,
        "whole_list": whole_list(ranks, last[0], independent, size) if over_all else None,
        "within_person": None if over_all else _within_person(counts["within_person"]),
    }
    if ranks.n:
        figures["candidates"] = share(standing(ranks, K + 1), ranks.n)
        figures["last_candidates"] = share(standing(last[0], K + 1), ranks.n)
    return figures | _anonymity(ranks, independent, counts["any_look"]["first"], K, _deciding(K, size, over_all))


def _deciding(K: int, size: int, over_all: bool) -> int:
    """Persons, evenly spread, that decide about a process."""
    # The draw over a whole list leaves out its first K.
    return max(MIN_PERSONS, deciding_number(K, DELTA, max(K, size - K) if over_all else K))


def _matched(placed: Sequence[RankPmf], places: int, size: int) -> Json:
    """How many stand at the first so many places. placed: of the faces, from another photo, and of clean ones."""
    main, another_photo, control = (share(standing(found, places), found.n) for found in placed)
    return {"main": main, "another_photo": another_photo, "control": control, "baseline": min(1, places / size)}


def _anonymity(ranks: RankPmf, independent: RankPmf, first_at_any: int, K: int, deciding: int) -> Json:
    """pmf and both kinds of verdict on conditions (5) and (6), all of the audit's own look at each face but one: this
    set meets condition (5) only if no face is at rank 1 at any look.

    independent: one random photo a person; first_at_any: faces at rank 1 at any look; deciding: so many persons decide
    about the process.
    """
    if not ranks.n:
        return {"n": 0, "pmf": {}, "this_set": None, "process": None, "effective_k": None, "entropy_bits": None}
    shown = sorted(set(range(1, K + 2)) | set(ranks.counts))
    persons = independent.n
    verdict = process_verdict(independent.counts, persons, K, DELTA) if persons >= MIN_PERSONS else "inconclusive"
    return {
        "n": ranks.n,
        "pmf": {str(rank): share(ranks.counts.get(rank, 0), ranks.n) for rank in shown},
        "attack_success": share(ranks.n - ranks.counts.get(1, 0), ranks.n),
        "effective_k": ranks.effective_k,
        "entropy_bits": ranks.entropy,
        "this_set": {
            "condition_5": "met" if condition_5(ranks.counts) and not first_at_any else "violated",
            "condition_6": "met" if condition_6(ranks.counts, K) else "violated",
        },
        "process": {
            "persons": persons,
            "condition_5": _process_condition_5(independent),
            "rank_1_at_most": upper_bound(independent.counts.get(1, 0), persons, 0.95),
            "condition_6": verdict,
            "delta": DELTA,
            "deciding_persons": deciding,
        },
    }


def _process_condition_5(independent: RankPmf) -> str:
    """One face at rank 1 refutes a process that never leaves one there; none of n only bounds how many it leaves."""
    if independent.counts.get(1, 0):
        return "violated"
    return "met" if independent.n >= MIN_PERSONS else "inconclusive"


def _handling(counts: Json, K: int, size: int) -> Json:
    ranks, other = ranks_of(counts["ranks"]), ranks_of(counts["ranks_other"])
    return {
        "n": ranks.n,
        "first": share(ranks.counts.get(1, 0), ranks.n),
        "first_from_another_photo": share(other.counts.get(1, 0), other.n),
        "effective_k": ranks.effective_k if ranks.n else None,
        "condition_5": None if not ranks.n else "met" if condition_5(ranks.counts) else "violated",
        "condition_6": None if not ranks.n else "met" if condition_6(ranks.counts, K) else "violated",
        "baseline_first": 1 / size,
    }


def _one_to_one(counts: Json) -> Json:
    """Protection: the share of faces that a one-to-one comparison does not match; any_look: at none of the looks."""
    handlings = {
        name: {
            "main": share(handled["n"] - handled["matches"], handled["n"]),
            "another_photo": share(handled["n_other"] - handled["matches_other"], handled["n_other"]),
        }
        for name, handled in counts["handlings"].items()
    }
    control, any_look = counts["control"], counts["any_look"]
    return {
        "threshold": counts["threshold"],
        "handlings": handlings,
        "any_look": share(any_look["n"] - any_look["matches"], any_look["n"]),
        "control": share(control["n"] - control["matches"], control["n"]),
        "baseline": 1 - float(counts["far"]),
    }


def _linked(counts: Json) -> Json:
    """Pairs of photos of one person that match each other, protected and clean."""
    return {
        "main": share(counts["protected"], counts["pairs"]),
        "control": share(counts["clean"], counts["pairs"]),
        "baseline": float(counts["far"]),
    }


def _within_person(patterns: list[list[int]]) -> Json:
    """patterns: each person's photos at the ranks 2..K+1, largest count first, persons with two photos or more."""
    p_values = {pattern: even_spread_p_value(pattern) for pattern in {tuple(pattern) for pattern in patterns}}
    corrected = holm([p_values[tuple(pattern)] for pattern in patterns])
    uneven = sum(p < WITHIN_LEVEL for p in corrected)
    verdict = None if not patterns else "violated" if uneven else "not refuted"
    return {"persons": len(patterns), "uneven": uneven, "smallest_p": min(corrected, default=None), "verdict": verdict}


def _control(galleries: Json, one_to_one: Json) -> Json:
    """Does the recognizer know these people in clean photos, other ones than the enrolled? Else it proves nothing."""
    full = [gallery for gallery in galleries.values() if "withheld" not in gallery]
    controls = [gallery["cumulative_match"]["1"]["control"] for gallery in full]
    recognized = [control["value"] for control in controls if control["n"]]
    if CONTROL_FAR in one_to_one and (control := one_to_one[CONTROL_FAR]["control"])["n"]:
        recognized.append(1 - control["value"])
    if not recognized:
        return {"state": "unavailable", "known": None}
    return {"state": "failed" if max(recognized) < CONTROL_FLOOR else "passed", "known": max(recognized)}
