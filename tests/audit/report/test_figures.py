"""Figures on rank tables small enough to count by hand; scipy is the oracle for intervals."""

import copy
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from audit.report.hand_counts import (
    SIZE,
    assert_share,
    gallery_counts,
    gallery_figures,
    recognizer_figures,
    set_counts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.anonymity.groups import draw_groups, seeded_rng
from deid.audit.report.figures import figures_of
from deid.audit.report.shares import share
from deid.audit.report.summary import gallery_verdicts
from deid.images.handlings import AS_PUBLISHED

# Ten faces at K = 3: four at rank 2, three at 3, two at 4, one far away.
TEN = {2: 4, 3: 3, 4: 2, 60: 1}


class TestRanks:
    def test_pmf_with_intervals_shows_the_ranks_up_to_one_past_k_and_all_seen(self):
        pmf = gallery_figures(TEN, K=3)["pmf"]
        assert list(pmf) == ["1", "2", "3", "4", "60"]
        for rank, faces in {"1": 0, "2": 4, "3": 3, "4": 2, "60": 1}.items():
            assert_share(pmf[rank], faces, 10)

    def test_effective_k_and_entropy(self):
        figures = gallery_figures(TEN, K=3)
        assert figures["effective_k"] == pytest.approx(10 / 4)
        by_hand = -(0.4 * math.log2(0.4) + 0.3 * math.log2(0.3) + 0.2 * math.log2(0.2) + 0.1 * math.log2(0.1))
        assert figures["entropy_bits"] == pytest.approx(by_hand)

    @pytest.mark.parametrize(
        ("ranks", "K", "condition_5", "condition_6"),
        [
            ({2: 4, 3: 3, 4: 3}, 3, "met", "met"),  # ⌈10/3⌉ = 4
            ({2: 5, 3: 3, 4: 2}, 3, "met", "violated"),
            ({1: 1, 2: 3, 3: 3, 4: 3}, 3, "violated", "met"),
            ({1: 5, 2: 5}, 3, "violated", "violated"),
            ({2: 2, 900: 8}, 3, "met", "violated"),  # far away, but all at one rank
        ],
    )
    def test_the_census(self, ranks: dict[int, int], K: int, condition_5: str, condition_6: str):
        figures = gallery_figures(ranks, K)
        assert figures["this_set"] == {"condition_5": condition_5, "condition_6": condition_6}
        handled = figures["handlings"]["JPEG 95"]
        assert (handled["condition_5"], handled["condition_6"]) == (condition_5, condition_6)

    def test_attack_success_is_the_share_not_at_rank_one(self):
        assert_share(gallery_figures({1: 3, 2: 7})["attack_success"], 7, 10)

    def test_the_cumulative_match_stands_beside_control_and_chance(self):
        figures = gallery_figures({1: 1, 2: 4, 5: 1, 6: 2, 50: 1, 51: 1}, other={1: 3, 7: 1})
        curve = figures["cumulative_match"]
        for rank, main, other, control in (("1", 1, 3, 9), ("5", 6, 3, 10), ("50", 9, 4, 10)):
            assert_share(curve[rank]["main"], main, 10)
            assert_share(curve[rank]["another_photo"], other, 4)
            assert_share(curve[rank]["control"], control, 10)
            assert curve[rank]["baseline"] == pytest.approx(int(rank) / SIZE)

    def test_open_set_misses(self):
        open_set = gallery_figures({2: 10})["open_set"]
        assert_share(open_set["main"], 9, 10)
        assert_share(open_set["control"], 2, 10)
        assert open_set["baseline"] == pytest.approx(1 - 0.01 / SIZE)

    def test_a_set_without_faces_has_figures_without_values(self):
        figures = gallery_figures({}, control={})
        assert (figures["n"], figures["this_set"], figures["process"]) == (0, None, None)
        assert figures["cumulative_match"]["1"]["main"]["value"] is None
        assert gallery_verdicts(figures) == ["inconclusive"]


class TestProcess:
    def test_under_thirty_persons_nothing_is_said_of_the_process(self):
        even = {2: 60, 3: 60, 4: 60, 5: 60, 6: 60}
        for persons in (29, 30):
            process = gallery_figures(even, K=1, independent={2: persons})["process"]
            expected = "met" if persons == 30 else "inconclusive"
            assert (process["condition_5"], process["condition_6"]) == (expected, expected)
            assert process["persons"] == persons

    def test_one_face_at_rank_one_refutes_a_process_however_few_there_are(self):
        assert gallery_figures({1: 1, 2: 4})["process"]["condition_5"] == "violated"

    def test_the_share_at_rank_one_has_an_upper_bound(self):
        process = gallery_figures({2: 40, 3: 60})["process"]
        assert process["rank_1_at_most"] == pytest.approx(1 - 0.05 ** (1 / 100))

    def test_it_is_judged_by_one_photo_a_person_and_the_set_by_all(self):
        figures = gallery_figures({2: 100, 3: 50, 4: 50, 5: 50, 6: 50}, independent=dict.fromkeys(range(2, 7), 40))
        assert figures["this_set"]["condition_6"] == "violated"
        assert figures["process"]["condition_6"] == "met"

    def test_even_draws_of_two_hundred_persons_are_met(self):
        rng = seeded_rng(11)
        met = 0
        for _ in range(100):
            ranks = dict(Counter(draw_groups(200, 5, rng)))
            met += set(gallery_verdicts(gallery_figures(ranks))) == {"met"}
        assert met >= 95

    @pytest.mark.parametrize("heavy", [2, 4, 6])
    def test_one_rank_at_one_and_a_half_times_its_share_is_violated(self, heavy: int):
        rng = np.random.default_rng(heavy)
        others = [rank for rank in range(2, 7) if rank != heavy]
        violated = 0
        for _ in range(100):
            ranks = np.where(rng.random(400) < 1.6 / 5, heavy, rng.choice(others, size=400))
            process = gallery_figures(dict(Counter(ranks.tolist())))["process"]
            violated += process["condition_6"] == "violated"
        assert violated >= 80

    def test_the_number_that_would_decide_is_told(self):
        assert 75 <= gallery_figures({2: 5})["process"]["deciding_persons"] <= 85
        assert gallery_figures({2: 5}, K=1)["process"]["deciding_persons"] == 30


class TestWithinAPerson:
    def test_one_person_always_at_one_rank_is_found_among_even_ones(self):
        even = [[2, 2, 2, 1, 1]] * 40
        figures = gallery_figures({2: 10}, within=[*even, [8, 0, 0, 0, 0]])["within_person"]
        # Holm: the smallest of 41 p-values, 5/5^8, times 41.
        assert figures["smallest_p"] == pytest.approx(41 * 5 / 5**8)
        assert (figures["persons"], figures["uneven"], figures["verdict"]) == (41, 1, "violated")
        assert gallery_figures({2: 10}, within=even)["within_person"]["verdict"] == "not refuted"

    def test_many_even_persons_are_not_refuted_by_their_number(self):
        rng = np.random.default_rng(4)
        refuted = 0
        for _ in range(40):
            patterns = [sorted(row, reverse=True) for row in rng.multinomial(6, [0.2] * 5, size=50).tolist()]
            refuted += gallery_figures({2: 10}, within=patterns)["within_person"]["verdict"] == "violated"
        assert refuted <= 6  # 2 expected at a level of 5 %, and three deviations

    def test_nobody_with_two_photos_gives_no_verdict(self):
        assert gallery_figures({2: 10})["within_person"] == {
            "persons": 0, "uneven": 0, "smallest_p": None, "verdict": None,
        }  # fmt: skip


class TestOneToOne:
    def test_protection_is_the_share_that_does_not_match(self):
        figures = recognizer_figures(gallery_counts({2: 10}))["one_to_one"]["1e-2"]
        assert_share(figures["handlings"][AS_PUBLISHED]["main"], 6, 10)
        assert_share(figures["handlings"][AS_PUBLISHED]["another_photo"], 6, 8)
        assert_share(figures["control"], 2, 8)
        assert figures["baseline"] == pytest.approx(0.99)
        assert figures["threshold"] == 0.4

    def test_linked_pairs(self):
        linked = recognizer_figures(gallery_counts({2: 10}))["linked"]["1e-2"]
        assert_share(linked["main"], 3, 20)
        assert_share(linked["control"], 15, 20)
        assert linked["baseline"] == pytest.approx(0.01)


class TestControl:
    @pytest.mark.parametrize(
        ("control", "matches", "state", "known"),
        [
            ({1: 9, 4: 1}, 6, "passed", 0.9),
            ({1: 4, 7: 6}, 2, "failed", 0.4),
            ({1: 4, 7: 6}, 4, "passed", 0.5),  # of 8: the one-to-one comparison knows them
            ({}, 6, "passed", 0.75),
        ],
    )
    def test_a_recognizer_that_does_not_know_people_in_clean_photos_proves_nothing(
        self, control: dict[int, int], matches: int, state: str, known: float
    ):
        counts = set_counts(gallery_counts({2: 10}, control=control))
        counts["recognizers"]["net"]["one_to_one"]["1e-2"]["control"]["matches"] = matches
        figures = figures_of(counts, 5)["recognizers"]["net"]["control"]
        assert figures == {"state": state, "known": pytest.approx(known)}

    def test_without_another_photo_of_anybody_it_is_unavailable(self):
        counts = set_counts(gallery_counts({2: 10}, control={}))
        counts["recognizers"]["net"]["one_to_one"]["1e-2"]["control"] = {"n": 0, "matches": 0}
        figures = figures_of(counts, 5)["recognizers"]["net"]
        assert figures["control"] == {"state": "unavailable", "known": None}
        assert figures["one_to_one"]["1e-2"]["control"] == {"value": None, "low": None, "high": None, "n": 0}


def test_quality_has_a_median_with_its_interval_and_the_worst():
    counts = set_counts(gallery_counts({2: 10}))
    # Of eleven values the interval runs from the 2nd smallest to the 2nd largest.
    counts["quality"]["ssim"] = {f"{0.80 + i / 100:.3f}": 1 for i in range(11)}
    figures = figures_of(counts, 5)["quality"]["ssim"]
    assert figures == {
        "value": pytest.approx(0.85), "low": pytest.approx(0.81), "high": pytest.approx(0.89), "n": 11,
        "worst": pytest.approx(0.80),
    }  # fmt: skip


def test_few_values_have_a_median_without_an_interval():
    quality = figures_of(set_counts(gallery_counts({2: 10})), 5)["quality"]["ssim"]
    assert quality == {"value": 0.9, "low": None, "high": None, "n": 3, "worst": 0.9}


def test_photos_with_several_findings_count_once():
    counts = set_counts(gallery_counts({2: 10}))
    counts["findings"] = [
        {"kind": kind, "id": photo, "detail": ""} for kind, photo in (("a", "A1"), ("b", "A1"), ("a", "A2"))
    ]
    assert figures_of(counts, 5)["findings"] == {"photos_with_findings": 2}


def test_a_withheld_gallery_tells_the_first_rank_only():
    withheld = {"size": SIZE, "withheld": "few", "handlings": {AS_PUBLISHED: {"first": 0, "n": 10}}}
    withheld["any_look"] = {"first": 3, "n": 10}
    figures = recognizer_figures(withheld)["galleries"]["decoys"]
    assert set(figures) == {"withheld", "handlings", "any_look", "deciding_persons"}
    assert figures["deciding_persons"] == gallery_figures({2: 5})["process"]["deciding_persons"]
    assert_share(figures["handlings"][AS_PUBLISHED]["first"], 0, 10)
    assert_share(figures["any_look"], 3, 10)
    assert gallery_verdicts(figures) == ["violated"]
    figures = recognizer_figures(withheld | {"any_look": {"first": 0, "n": 10}})["galleries"]["decoys"]
    assert gallery_verdicts(figures) == ["too few"]


class TestAnyLook:
    def test_a_face_first_at_another_look_violates_condition_5_of_this_set_and_nothing_else(self):
        met = gallery_figures({2: 4, 3: 3, 4: 3}, K=3)
        found = gallery_figures({2: 4, 3: 3, 4: 3}, K=3, any_look=1)
        assert met["this_set"] == {"condition_5": "met", "condition_6": "met"}
        assert found["this_set"] == {"condition_5": "violated", "condition_6": "met"}
        assert_share(found["any_look"], 1, 10)
        assert "violated" in gallery_verdicts(found)
        same = set(met) - {"this_set", "any_look"}
        assert {name: found[name] for name in same} == {name: met[name] for name in same}

    def test_one_to_one_protection_at_any_look_stands_beside_the_own(self):
        figures = recognizer_figures(gallery_counts({2: 10}))["one_to_one"]["1e-2"]
        assert_share(figures["handlings"][AS_PUBLISHED]["main"], 6, 10)
        assert_share(figures["any_look"], 5, 10)

    def test_of_the_set(self):
        figures = figures_of(set_counts(gallery_counts({2: 10})), 5)
        assert_share(figures["first_elsewhere"], 2, 10)
        assert_share(figures["second_look"], 3, 10)
        assert figures["looks_a_face"] == 4.5


@settings(max_examples=50)
@given(st.integers(0, 40), st.integers(1, 40))
def test_shares_have_scipys_intervals(successes: int, more: int):
    n = max(successes, more)
    assert_share(share(successes, n), successes, n)


@settings(max_examples=30)
@given(st.dictionaries(st.integers(1, 80), st.integers(1, 9), min_size=1, max_size=12), st.randoms())
def test_figures_do_not_depend_on_the_order_of_counts(ranks: dict[int, int], random: Any):
    counts = set_counts(gallery_counts(ranks, within=[[2, 1, 0, 0, 0], [4, 0, 0, 0, 0]]))
    shuffled = copy.deepcopy(counts)
    gallery = shuffled["recognizers"]["net"]["galleries"]["decoys"]
    for handled in gallery["handlings"].values():
        handled["ranks"] = dict(random.sample(list(handled["ranks"].items()), len(ranks)))
    gallery["within_person"].reverse()
    assert figures_of(shuffled, 5) == figures_of(counts, 5)
