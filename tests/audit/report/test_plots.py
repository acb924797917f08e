"""Plots are well-formed SVG, drawn to scale; what cannot be drawn says why."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from audit.report import documents

from deid.audit.report import plots
from deid.audit.report.document import shared_part

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def marks(svg: str, tag: str) -> list[ElementTree.Element]:
    return [element for element in parsed(svg).iter(f"{SVG}{tag}") if element.get("class") == "mark"]


def words(svg: str) -> str:
    return " ".join(element.text or "" for element in parsed(svg).iter() if element.text)


def net(document: documents.Json, what: str) -> documents.Json:
    return document["sets"][0][what]["recognizers"]["net"]


def test_bars_are_as_high_as_their_shares_and_the_line_is_at_one_over_k() -> None:
    svg = plots.pmf_bars(net(documents.plain(), "figures")["galleries"]["shipped decoys"], documents.K)
    heights = [float(bar.get("height", 0)) for bar in marks(svg, "rect")]
    (line,) = marks(svg, "line")
    assert len(heights) == 6
    assert heights[0] == 0  # nobody at rank 1
    for height in heights[1:]:  # 20 of 100 each, and 1/K is as much
        assert plots.BOTTOM - height == pytest.approx(float(line.get("y1", 0)), abs=0.2)
    assert svg.count('class="whisker"') == 6
    assert "rank of the true identity" in words(svg)
    assert "1/K = 0.20" in words(svg)


def test_faces_first_at_another_look_are_a_hollow_bar() -> None:
    gallery = net(documents.plain(), "figures")["galleries"]["shipped decoys"]
    svg = plots.pmf_bars(gallery | {"any_look": {"value": 0.1}}, documents.K)
    own, hollow, second, *_ = marks(svg, "rect")
    assert "fill:none" in (hollow.get("style") or "")
    assert own.get("x") == hollow.get("x")
    assert float(hollow.get("height", 0)) == pytest.approx(float(second.get("height", 0)) / 2, abs=0.2)
    assert "at any look" in words(svg)


def test_far_ranks_share_one_bar_without_an_interval() -> None:
    document = documents.troubled()
    gallery = net(document, "figures")["galleries"]["shipped decoys"]
    assert len(gallery["pmf"]) == 21
    svg = plots.pmf_bars(gallery, documents.K)
    assert len(marks(svg, "rect")) == 13
    assert svg.count('class="whisker"') == 12
    assert "≥16" in words(svg)


def test_over_a_whole_list_tenths_stand_between_the_first_and_the_last_place() -> None:
    gallery = net(documents.everywhere(), "figures")["galleries"]["shipped decoys"]
    assert len(gallery["pmf"]) > 100
    svg = plots.pmf_bars(gallery, documents.K)
    first, *tenths, last = [float(bar.get("height", 0)) for bar in marks(svg, "rect")]
    assert (first, last) == (0, 0)
    assert len(tenths) == 10
    chances = [float(line.get("y1", 0)) for line in marks(svg, "line")]
    assert len(chances) == 12
    for height, chance in zip(tenths[:-1], chances[1:-2], strict=True):  # 40 of 400 each
        assert plots.BOTTOM - height == pytest.approx(chance, abs=0.5)
    assert chances[-2] < chances[-3]  # the last tenth has a place more
    assert chances[0] == chances[-1] == pytest.approx(plots.BOTTOM, abs=2)
    assert svg.count('class="whisker"') == 12
    for word in ("first 10 20 30", "90 100 last", "chance", "place in the list of 1,001"):
        assert word in words(svg)
    # No name of a bar runs into the next one's: a letter is 7 pixels wide at most.
    labels = [e for e in parsed(svg).iter(f"{SVG}text") if float(e.get("y", 0)) == plots.BOTTOM + 16]
    ends = [(float(e.get("x", 0)), 3.5 * len(e.text or "")) for e in labels]
    assert all(x + half < y - other for (x, half), (y, other) in pairwise(ends))


def test_faces_first_at_another_look_are_hollow_over_a_whole_list_too() -> None:
    gallery = net(documents.everywhere(), "figures")["galleries"]["shipped decoys"]
    svg = plots.pmf_bars(gallery | {"any_look": {"value": 0.05}}, documents.K)
    own, hollow, *_ = marks(svg, "rect")
    assert "fill:none" in (hollow.get("style") or "")
    assert own.get("x") == hollow.get("x")


def test_the_curve_from_the_end_is_the_other_one_of_a_list_turned_round() -> None:
    counts = net(documents.everywhere(), "counts")["galleries"]["shipped decoys"]
    turned = {name: documents.from_the_end(tally) for name, tally in counts["from_the_end"].items()}
    assert turned["places"] == dict(sorted(documents.EVERYWHERE.items(), key=lambda rank: -int(rank[0])))
    svg = plots.cumulative_match(counts, from_the_end=True)
    main = marks(svg, "path")[-1]
    # Nobody among the last: it starts at the bottom, and rises at place 2, 1,001 less 1,000 and one.
    points = [tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", main.get("d", ""))]
    assert points[0] == (plots.LEFT, plots.BOTTOM)
    assert points[-1] == (plots.RIGHT, plots.TOP)
    assert points[2][1] == pytest.approx(plots.BOTTOM - (plots.BOTTOM - plots.TOP) / 100, abs=0.1)
    assert "places from the end" in words(svg)
    assert "share among the last so many" in words(svg)


def test_the_cumulative_curve_ends_where_all_faces_are_found() -> None:
    counts = net(documents.plain(), "counts")["galleries"]["shipped decoys"]
    svg = plots.cumulative_match(counts)
    curves = marks(svg, "path")
    assert len(curves) == 4  # chance, control, another photo, main
    for curve in curves:
        points = [tuple(map(float, pair)) for pair in re.findall(r"[ML]([\d.]+) ([\d.]+)", curve.get("d", ""))]
        assert points[-1] == (plots.RIGHT, plots.TOP)
        assert [x for x, _ in points] == sorted(x for x, _ in points)
        assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    first = re.match(r"M([\d.]+) ([\d.]+)", curves[-1].get("d", ""))
    assert first
    assert float(first[2]) == plots.BOTTOM  # of the main curve: nobody at rank 1
    for name in ("protected, this photo", "clean, another photo", "chance", "log scale"):
        assert name in words(svg)


def test_a_curve_without_faces_is_left_out() -> None:
    counts = net(documents.plain(), "counts")["galleries"]["shipped decoys"] | {"control": {"ranks": {}, "missed": 0}}
    svg = plots.cumulative_match(counts)
    assert len(marks(svg, "path")) == 3
    assert "clean, another photo" not in words(svg)


def test_histograms_mark_the_thresholds() -> None:
    svg = plots.score_histograms(net(documents.plain(), "counts")["histograms"], {"1e-2": 0.51, "1e-3": 0.62})
    assert len(marks(svg, "path")) == 3
    places = [float(line.get("x1", 0)) for line in marks(svg, "line")]
    assert places == sorted(places)
    assert "FAR 1e-2" in words(svg)
    assert "FAR 1e-3" in words(svg)
    assert "two people" in words(svg)


def test_nothing_to_draw_says_so() -> None:
    withheld = shared_part(documents.small())
    figures = net(withheld, "figures")["galleries"]["shipped decoys"]
    counts = net(withheld, "counts")["galleries"]["shipped decoys"]
    said = [
        plots.pmf_bars(figures, documents.K), plots.cumulative_match(counts), plots.score_histograms({}, {}),
        plots.cumulative_match(counts, from_the_end=True),
    ]  # fmt: skip
    for text in said:
        assert text.startswith('<p class="no-plot">')
        assert "svg" not in text
    assert "too few faces" in said[0]
    assert "too few faces" in said[1]


def test_words_are_escaped() -> None:
    assert "<b>" not in plots.pmf_bars({"withheld": "<b>few</b>"}, 5)
    assert "<b>" not in plots.score_histograms({"protected": {"0.10": 1}}, {"<b>": 0.1})
