"""Why a verdict is what it is, and that both parts and all questions say it alike."""

from collections.abc import Callable
from typing import Any

import pytest
from audit.report import documents

from deid.audit.findings import UNREADABLE_ORIGINAL
from deid.audit.report.document import shared_part
from deid.audit.sets import WHOLE_LIST

Json = dict[str, Any]
MAKERS = [
    documents.plain, documents.small, documents.troubled, documents.everywhere, documents.few_anywhere,
    documents.defended,
]  # fmt: skip
ABOUT = {"net": documents.description("independent")}
TWELVE = {"2": 3, "3": 3, "5": 3, "77": 3}


def made(ranks: Json, *, findings: tuple[str, ...] = (), **changes: Any) -> Json:
    """One set of one recognizer; changes: of its counts."""
    named = [{"kind": kind, "id": f"A{i}", "detail": "so"} for i, kind in enumerate(findings)]
    return documents.document(ABOUT, [documents.published("A", {"net": documents.counts_of(ranks) | changes}, named)])


def test_twelve_photos_are_too_few_and_how_many_are_needed_is_said() -> None:
    document = made(TWELVE)
    assert document["verdict"] == "too few"
    assert document["because"] == ["12 persons are too few to judge how people are spread: at least 77 are needed."]
    assert "too few to judge" in document["sets"][0]["first_screen"][3]["answer"]


def test_all_at_one_rank_are_no_alarm_where_nobody_is_told_of_ranks() -> None:
    for spread_over in ("first candidates", WHOLE_LIST):
        part = documents.published("A", {"net": documents.counts_of({"3": 12})}, spread_over=spread_over)
        assert documents.document(ABOUT, [part])["verdict"] == "too few"


def test_from_five_times_k_on_one_rank_too_full_is_the_reason() -> None:
    assert made({"3": 100})["because"] == [
        "One rank holds more than 1/5 of the faces, by net (1 of 1 asked).",
        "The process that made these photos favors a rank, by net (1 of 1 asked).",
    ]


@pytest.mark.parametrize("kind", [UNREADABLE_ORIGINAL, "faceless original", "not written", "possible face"])
def test_a_finding_about_an_input_is_none_about_the_set(kind: str) -> None:
    assert made(documents.SPREAD, findings=(kind,))["verdict"] == "met"


@pytest.mark.parametrize(
    ("findings", "verdict", "reason"),
    [
        (("unreadable",), "violated", "1 photo is not what it should be: 1 unreadable."),
        (("swapped", "swapped", "unchanged"), "violated",
         "3 photos are not what they should be: 2 swapped, 1 unchanged."),
        (("missing",), "inconclusive", "1 photo could not be audited: 1 missing."),
        (("extra", "not compared"), "inconclusive", "2 photos could not be audited: 1 extra, 1 not compared."),
    ],
)  # fmt: skip
def test_the_reason_that_holds_is_told_and_no_other(findings: tuple[str, ...], verdict: str, reason: str) -> None:
    document = made(documents.SPREAD, findings=findings)
    assert (document["verdict"], document["because"]) == (verdict, [reason])


def test_who_puts_people_first_is_named_and_where() -> None:
    document = made({"1": 10, **documents.SPREAD})
    assert document["because"][0] == "People are put first by net (1 of 1 asked): up to 9.1\u00a0% of the faces."
    counts = documents.counts_of(documents.SPREAD)
    counts["galleries"]["shipped decoys"]["any_look"]["first"] = 2
    document = documents.document(ABOUT, [documents.published("A", {"net": counts})])
    assert document["verdict"] == "violated"
    assert "though only where another program finds the faces: up to 2.0\u00a0%" in document["because"][0]


def test_whom_nobody_knows_is_a_reason_for_doubt() -> None:
    counts = documents.counts_of(documents.SPREAD, control=documents.STRANGE)
    document = documents.document(ABOUT, [documents.published("A", {"net": counts})])
    assert document["verdict"] == "inconclusive"
    assert document["because"] == ["These people are not known even in clean photos by net (1 of 1 asked)."]
    assert documents.document(ABOUT, [])["because"] == ["Nothing was audited."]


@pytest.mark.parametrize("make", [*MAKERS, lambda: made(TWELVE), lambda: made({"3": 12}), lambda: made({"2": 24})])
def test_both_parts_answer_a_question_alike(make: Callable[[], Json]) -> None:
    whole = make()
    shared = shared_part(whole)
    assert (shared["verdict"], shared["because"]) == (whole["verdict"], whole["because"])
    for told, known in zip(shared["sets"], whole["sets"], strict=True):
        assert told["first_screen"] == known["first_screen"]


def test_yes_is_the_good_answer_to_whatever_is_asked() -> None:
    """Where all is as bad as can be nothing is answered by «Yes», where all is well nothing by «No»."""
    aside = ("Was a recognizer asked",)
    bad = documents.counts_of({"1": 100}, matches=100)
    for gallery in bad["galleries"].values():
        for handled in gallery["handlings"].values():
            handled["ranks"] = {"1": 100}
    broken = documents.published("A", {"net": bad}, [{"kind": "unchanged", "id": "A1", "detail": "so"}])
    good = documents.counts_of(documents.EVERYWHERE, matches=0)
    for gallery in good["galleries"].values():
        for handled in gallery["handlings"].values():
            handled["ranks"] = documents.EVERYWHERE
    whole = documents.published("A", {"net": good}, spread_over=WHOLE_LIST)
    whole["counts"]["possible"] = {"faces": 0, "photos": 0}
    for part, refused in ((broken, "Yes"), (whole, "No")):
        screen = documents.document(ABOUT, [part])["sets"][0]["first_screen"]
        answers = [line for line in screen if not line["question"].startswith(aside)]
        assert len(answers) >= 9
        assert [
            line for line in answers if line["answer"].startswith((f"{refused}:", f"{refused},", f"{refused}."))
        ] == []
    screen = documents.document(ABOUT, [whole])["sets"][0]["first_screen"]
    assert sum(line["answer"].startswith("Yes") for line in screen) >= 7
