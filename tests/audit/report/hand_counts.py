"""Counts of a set made by hand, small enough to count their figures by hand; scipy is the oracle for intervals."""

from typing import Any

import pytest
from scipy.stats import binomtest

from deid.audit.report.figures import figures_of
from deid.audit.sets import FIRST_CANDIDATES, WHOLE_LIST
from deid.images.handlings import AS_PUBLISHED

SIZE = 1001  # identities in the gallery


def gallery_counts(
    ranks: dict[int, int],
    *,
    independent: dict[int, int] | None = None,
    other: dict[int, int] | None = None,
    control: dict[int, int] | None = None,
    within: list[list[int]] | None = None,
    any_look: int | None = None,
    size: int = SIZE,
    end: dict[int, int] | None = None,
) -> dict[str, Any]:
    """end: place from the end → faces; None where everybody's list is `size` long.

    any_look: faces at rank 1 at any look; None for those at the own one.

    independent: one photo a person; None takes every face for another person's.
    """

    def text(counts: dict[int, int]) -> dict[str, int]:
        return {str(rank): n for rank, n in counts.items()}

    def from_the_end(counts: dict[int, int]) -> dict[str, int]:
        return text({size + 1 - rank: n for rank, n in counts.items()})

    control = {1: 9, 4: 1} if control is None else control
    return {
        "size": size,
        "open_set_threshold": 0.5,
        "handlings": {
            name: {"ranks": text(ranks), "ranks_other": text(other or {}), "missed": max(0, sum(ranks.values()) - 1)}
            for name in (AS_PUBLISHED, "JPEG 95")
        },
        "control": {"ranks": text(control), "missed": min(2, sum(control.values()))},
        "any_look": {"first": ranks.get(1, 0) if any_look is None else any_look, "n": sum(ranks.values())},
        "from_the_end": {
            "places": from_the_end(ranks) if end is None else text(end),
            "places_other": from_the_end(other or {}),
            "control": from_the_end(control),
        },
        "one_per_person": text(ranks if independent is None else independent),
        "within_person": within or [],
    }


def set_counts(gallery: dict[str, Any], **changes: Any) -> dict[str, Any]:
    handled = {"n": 10, "matches": 4, "n_other": 8, "matches_other": 2}
    one_to_one = {
        "far": "1e-2", "threshold": 0.4, "handlings": {AS_PUBLISHED: handled}, "any_look": {"n": 10, "matches": 5},
        "control": {"n": 8, "matches": 6},
    }  # fmt: skip
    recognizer = {
        "faces": 10,
        "persons": 10,
        "galleries": {"decoys": gallery},
        "one_to_one": {"1e-2": one_to_one},
        "linked": {"1e-2": {"far": "1e-2", "pairs": 20, "protected": 3, "clean": 15}},
        "histograms": {},
        "defenses": {},
    } | changes
    return {
        "photos": {"originals": 10, "published": 10, "audited": 10},
        "faces": 10,
        "spread_over": FIRST_CANDIDATES,
        "further_looks": 45,
        "first_elsewhere": {"faces": 2, "photos": 1},
        "second_look": {"faces": 3, "photos": 2},
        "possible": {"faces": 1, "photos": 1},
        "persons": 10,
        "recognizers": {"net": recognizer},
        "quality": {"ssim": {"0.900": 2, "0.950": 1}},
        "findings": [],
    }


def recognizer_figures(
    gallery: dict[str, Any], K: int = 5, spread_over: str = FIRST_CANDIDATES, **changes: Any
) -> dict[str, Any]:
    counts = set_counts(gallery, **changes) | {"spread_over": spread_over}
    return figures_of(counts, K)["recognizers"]["net"]


def gallery_figures(ranks: dict[int, int], K: int = 5, **changes: Any) -> dict[str, Any]:
    return recognizer_figures(gallery_counts(ranks, **changes), K)["galleries"]["decoys"]


def list_figures(ranks: dict[int, int], K: int = 5, **changes: Any) -> dict[str, Any]:
    """The same, of a set whose faces may stand anywhere in a list."""
    return recognizer_figures(gallery_counts(ranks, **changes), K, WHOLE_LIST)["galleries"]["decoys"]


def assert_share(found: dict[str, Any], successes: int, n: int) -> None:
    interval = binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert found["value"] == pytest.approx(successes / n)
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert found["n"] == n
