"""Figures of lists read from both ends, on rank tables small enough to count by hand."""

from collections import Counter

import numpy as np
import pytest
from audit.report.hand_counts import SIZE, assert_share, gallery_figures, list_figures
from scipy.stats import binomtest

from deid.audit.report.summary import gallery_verdicts

# At both ends of a list of 1,001, two at each.
FOUR = {1: 1, 2: 1, 1000: 1, 1001: 1}


class TestBothEnds:
    def test_four_faces_by_hand(self):
        figures = list_figures(FOUR, other={1001: 1, 990: 1}, control={992: 1, 3: 3})
        first, last = figures["cumulative_match"], figures["from_the_end"]
        for curve, places, main in (
            (first, "1", 1),
            (first, "5", 2),
            (first, "50", 2),
            (last, "1", 1),
            (last, "10", 2),
        ):
            assert_share(curve[places]["main"], main, 4)
            assert curve[places]["baseline"] == pytest.approx(int(places) / SIZE)
        assert_share(last["1"]["another_photo"], 1, 2)
        assert_share(last["10"]["another_photo"], 1, 2)  # rank 990 is the twelfth from the end
        assert_share(last["1"]["control"], 0, 4)
        assert_share(last["10"]["control"], 1, 4)
        assert_share(figures["candidates"], 2, 4)
        assert_share(figures["last_candidates"], 2, 4)
        assert figures["effective_k"] == 4

    def test_with_the_profile_paper_a_list_is_read_from_its_end_as_well(self):
        figures = gallery_figures({2: 3, 1001: 1})
        assert_share(figures["from_the_end"]["1"]["main"], 1, 4)
        assert figures["whole_list"] is None
        assert figures["within_person"]["verdict"] is None

    def test_whose_list_is_shorter_counts_from_its_own_end(self):
        # Somebody enrolled does not stand beside themselves: theirs has 1,000 places, and 1,000 is the last.
        figures = list_figures({1000: 2}, end={1: 1, 2: 1})
        assert_share(figures["from_the_end"]["1"]["main"], 1, 2)
        assert_share(figures["whole_list"]["ends"]["last"]["main"], 2, 2)

    def test_a_short_list_is_no_longer_than_it_is(self):
        figures = list_figures({1: 1, 7: 1}, size=7)
        assert figures["from_the_end"]["10"]["baseline"] == figures["cumulative_match"]["50"]["baseline"] == 1
        assert [(tenth["first"], tenth["last"]) for tenth in figures["whole_list"]["tenths"]] == [
            (rank, rank) for rank in range(1, 8)
        ]
        assert figures["whole_list"]["ends"]["first"]["places"] == 1


class TestWholeList:
    def test_tenths_by_hand(self):
        tenths = list_figures(FOUR | {100: 1, 101: 2, 900: 1, 901: 3})["whole_list"]["tenths"]
        assert [(tenth["first"], tenth["last"]) for tenth in tenths] == [
            *((100 * i + 1, 100 * i + 100) for i in range(9)), (901, 1001),
        ]  # fmt: skip
        for tenth, faces in zip(tenths, [3, 2, 0, 0, 0, 0, 0, 0, 1, 5], strict=True):
            assert_share(tenth["main"], faces, 11)
        assert sum(tenth["baseline"] for tenth in tenths) == pytest.approx(1)
        assert tenths[-1]["baseline"] == pytest.approx(101 / SIZE)

    def test_an_end_holds_more_than_its_share_where_its_lower_bound_says_so(self):
        ends = list_figures(FOUR)["whole_list"]["ends"]
        for end in ends.values():
            assert_share(end["main"], 2, 4)
            assert (end["places"], end["baseline"]) == (10, pytest.approx(10 / SIZE))
            oracle = binomtest(2, 4, alternative="greater").proportion_ci(0.95, method="exact").low
            assert end["at_least"] == pytest.approx(oracle)
            assert end["more_than_its_share"]

    @pytest.mark.parametrize(("faces", "more"), [(3, False), (6, False), (7, True)])
    def test_a_percent_of_three_hundred_faces_is_three(self, faces: int, more: bool):
        # The bounds: 6 of 300 are 2 %, at least 0.87 %; 7 of 300 at least 1.1 %.
        end = list_figures({995: faces, 500: 300 - faces})["whole_list"]["ends"]["last"]
        assert_share(end["main"], faces, 300)
        assert (end["at_least"] > 0.01) == end["more_than_its_share"] == more

    def test_evenness_by_hand(self):
        even = list_figures(FOUR)["whole_list"]["even"]["this_set"]
        # Half of the faces stand at rank 2 already, and no more until rank 999.
        assert even["distance"] == pytest.approx(0.5 - 2 / SIZE)
        assert even["n"] == 4
        assert even["verdict"] == "not refuted"
        assert 0.1 < even["p"] < 0.25

    def test_one_photo_a_person_is_tested_beside_all(self):
        tests = list_figures({500: 200}, independent={500: 1})["whole_list"]["even"]
        assert (tests["this_set"]["n"], tests["this_set"]["verdict"]) == (200, "uneven")
        assert (tests["process"]["n"], tests["process"]["verdict"]) == (1, "not refuted")

    def test_unevenness_is_told_and_no_verdict(self):
        ranks = dict.fromkeys(range(2, 202), 2)
        figures = list_figures(ranks)
        assert figures["whole_list"]["even"]["this_set"]["verdict"] == "uneven"
        assert figures["this_set"] == {"condition_5": "met", "condition_6": "met"}
        assert set(gallery_verdicts(figures)) == {"met"}

    def test_even_draws_are_seldom_refuted(self):
        rng = np.random.default_rng(3)
        refuted = 0
        for _ in range(100):
            ranks = Counter(rng.integers(1, SIZE + 1, 200).tolist())
            refuted += list_figures(dict(ranks))["whole_list"]["even"]["this_set"]["verdict"] == "uneven"
        assert refuted <= 4  # 1 expected, and three deviations

    def test_effective_k_reaches_hundreds_and_a_full_rank_is_found(self):
        assert list_figures(dict.fromkeys(range(2, 402), 1))["effective_k"] == 400
        figures = list_figures({1001: 81, **dict.fromkeys(range(2, 321), 1)})
        assert figures["effective_k"] == pytest.approx(400 / 81)
        assert figures["this_set"]["condition_6"] == "violated"  # 81 of 400 are more than a fifth

    def test_within_a_person_is_for_the_other_profile_alone(self):
        assert list_figures(FOUR, within=[[8, 0, 0, 0, 0]])["within_person"] is None

    def test_fewer_persons_decide_over_a_whole_list(self):
        assert list_figures(dict.fromkeys(range(2, 32), 1))["process"]["deciding_persons"] == 30
        assert list_figures(dict.fromkeys(range(2, 32), 1), K=100)["process"]["deciding_persons"] > 30

    def test_a_set_without_faces_has_none(self):
        figures = list_figures({}, control={})
        assert (figures["whole_list"], figures["n"]) == (None, 0)
        assert figures["from_the_end"]["10"]["main"]["value"] is None
