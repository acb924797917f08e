"""Figures of a set whose faces may stand anywhere in a list: its tenths, its two ends, whether it is even."""

from typing import Any

from deid.anonymity.intervals import lower_bound
from deid.anonymity.rank_pmf import RankPmf
from deid.anonymity.whole_list import even_list_test, parts_of, percent_of
from deid.audit.report.shares import share, standing

Json = dict[str, Any]

EVEN_LEVEL = 0.01  # several recognizers and galleries are asked of one set: at 5 % some test would fail by chance
END_LEVEL = 0.95  # of the one-sided bound of an end's share


def whole_list(ranks: RankPmf, from_the_end: RankPmf, independent: RankPmf, size: int) -> Json | None:
    """None without a face.

    ranks: of all faces; from_the_end: their places from the end of the list, which is 1; independent: ranks of one
    random photo a person; size: identities in the list.
    """
    if not ranks.n:
        return None
    places = percent_of(size)
    return {
        "size": size,
        "tenths": [
            {
                "first": part[0],
                "last": part[-1],
                "main": share(standing(ranks, part[-1], part[0]), ranks.n),
                "baseline": len(part) / size,
            }
            for part in parts_of(size)
        ],
        "ends": {
            "first": _end(standing(ranks, places), ranks.n, places, size),
            "last": _end(standing(from_the_end, places), ranks.n, places, size),
        },
        "even": {"this_set": _even(ranks, size), "process": _even(independent, size)},
    }


def _end(faces: int, n: int, places: int, size: int) -> Json:
    """One percent of a list at one of its ends. It holds more than its share if that is beyond chance."""
    chance = places / size
    bound = lower_bound(faces, n, END_LEVEL)
    return {
        "places": places,
        "main": share(faces, n),
        "at_least": bound,
        "baseline": chance,
        # Of 1,001 identities the ten at an end are a little less than a percent.
        "more_than_its_share": bound > max(chance, 0.01),
    }


def _even(ranks: RankPmf, size: int) -> Json:
    distance, p = even_list_test(ranks.counts, size)
    return {"n": ranks.n, "distance": distance, "p": p, "verdict": "uneven" if p < EVEN_LEVEL else "not refuted"}
