"""The report's page in a real browser: silent, complete, readable by day, by night, on a phone and on paper."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audit.report import documents
from ui.watched import Watched

from deid.audit.report import html
from deid.audit.report.document import shared_part

Json = dict[str, Any]
REPORTS: dict[str, Callable[[], Json]] = {
    "plain": documents.plain,
    "troubled": documents.troubled,
    "small, for others": lambda: shared_part(documents.small()),
}

# Pairs of text and background below the contrast that WCAG 2 asks of body text (AA: 4.5).
FAINT_TEXT = """() => {
  const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const color = parts(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.tagName === "title" || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const text = light(parts(element instanceof SVGElement ? style.fill : style.color)), page = light(behind(element));
    const contrast = (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
    const name = `${element.tagName}.${element.className}`;
    if (contrast < 4.5) found.push(`${name}: ${contrast.toFixed(2)}: ${element.textContent}`);
  }
  return found;
}"""

# Plots with nothing in them that can be seen.
EMPTY_PLOTS = """() => [...document.querySelectorAll("svg")].filter(svg => {
  const size = element => { const box = element.getBoundingClientRect(); return box.width * box.height; };
  const long = element => { const box = element.getBoundingClientRect(); return Math.max(box.width, box.height); };
  const marks = [...svg.querySelectorAll(".mark")];
  return !size(svg) || !marks.some(element => element.tagName === "line" ? long(element) : size(element));
}).map(svg => svg.textContent)"""

UNFOLD = "() => document.querySelectorAll('details').forEach(fold => fold.open = true)"
FOLD = "() => document.querySelectorAll('details').forEach(fold => fold.open = false)"
# How many tables can be seen.
TABLES_SEEN = """() => [...document.querySelectorAll("table")].filter(
  table => table.checkVisibility() && table.getClientRects().length).length"""
HEIGHT = "document.documentElement.scrollHeight"

# What a table says: each number with its path and raw value, and what of a cell is a number without one.
TABLES = """() => ({
  cells: [...document.querySelectorAll("[data-path]")].map(element => [
    element.dataset.path, element.dataset.value, element.textContent]),
  others: [...document.querySelectorAll("td:not(.hash)")].map(element => {
    const rest = element.cloneNode(true);
    rest.querySelectorAll("[data-path]").forEach(known => known.remove());
    return [element.closest("table").caption.textContent, rest.textContent];
  }).filter(([, text]) => /\\d/.test(text)),
})"""


@pytest.fixture(params=REPORTS, ids=list(REPORTS))
def report(request: pytest.FixtureRequest, tmp_path: Path, watched: Watched) -> Json:
    """A report as it is read, whose page is open."""
    document = REPORTS[request.param]()
    (tmp_path / "report.json").write_text(json.dumps(document))
    (tmp_path / "report.html").write_text(html.render(document), encoding="utf-8")
    watched.page.goto((tmp_path / "report.html").as_uri())
    watched.page.evaluate(UNFOLD)
    read: Json = json.loads((tmp_path / "report.json").read_text())
    return read


def test_it_opens_in_silence(report: Json, watched: Watched, tmp_path: Path) -> None:
    assert watched.errors == []
    assert watched.requests == [(tmp_path / "report.html").as_uri()]
    assert watched.page.locator("meta[name=report-digest]").get_attribute("content") == report["digest"]


def test_every_plot_is_drawn(report: Json, watched: Watched) -> None:
    recognizers = [counts for part in report["sets"] for counts in part["counts"]["recognizers"].values()]
    galleries = [gallery for counts in recognizers for gallery in counts["galleries"].values()]
    expected = sum(bool(counts["histograms"]) for counts in recognizers)
    expected += 3 * sum("withheld" not in gallery for gallery in galleries)
    assert watched.page.locator("svg").count() == expected
    assert watched.page.evaluate(EMPTY_PLOTS) == []


def test_every_number_of_a_table_is_that_of_report_json(report: Json, watched: Watched) -> None:
    tables = watched.page.evaluate(TABLES)
    assert len(tables["cells"]) > 100
    for path, raw, text in tables["cells"]:
        value = json.loads(raw)
        assert value == _value_at(report, path), path
        assert _says(text, value), f"{path}: {text!r} for {value!r}"
    assert [cell for cell in tables["others"] if not cell[0].startswith("Findings")] == []


def test_below_the_first_screen_everything_is_folded_but_on_paper(report: Json, watched: Watched) -> None:
    page = watched.page
    page.set_viewport_size({"width": 1280, "height": 900})
    tables, long = page.locator("table").count(), page.evaluate(HEIGHT)
    page.evaluate(FOLD)
    assert page.evaluate(TABLES_SEEN) == 0
    assert page.evaluate(HEIGHT) < 1000 + 1000 * len(report["sets"])
    assert page.evaluate(HEIGHT) < long / 3
    page.emulate_media(media="print")
    assert page.evaluate(TABLES_SEEN) == tables
    page.emulate_media(media="screen")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(report: Json, watched: Watched, scheme: Any) -> None:
    watched.page.emulate_media(color_scheme=scheme)
    assert watched.page.evaluate(FAINT_TEXT) == []
    page = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", page))) < 200) == (scheme == "dark")


def test_paper_is_white_whatever_the_screen(report: Json, watched: Watched) -> None:
    watched.page.emulate_media(media="print", color_scheme="dark")
    assert watched.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert watched.page.evaluate(FAINT_TEXT) == []
    assert watched.page.pdf().startswith(b"%PDF")


def test_a_phone_scrolls_only_downward(report: Json, watched: Watched) -> None:
    watched.page.set_viewport_size({"width": 390, "height": 844})
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched.page.evaluate("document.body.scrollWidth") <= 390
    # Wide tables do, each in its own frame.
    wide = "() => [...document.querySelectorAll('.scroll')].some(frame => frame.scrollWidth > frame.clientWidth)"
    assert watched.page.evaluate(wide)


def _value_at(document: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        key = part.replace("~1", ".").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def _says(text: str, value: Any) -> bool:
    """Does a text say this value, up to the digits it shows?"""
    if value is None:
        return text == "not available"
    if isinstance(value, bool):
        return text == ("yes" if value else "no")
    if isinstance(value, str):
        return text == value
    number = re.fullmatch(r"([<>] )?(-?[\d,.]+(?:e-?\d+)?)(\u00a0%|\u00a0dB)?", text)
    if number is None:
        return False
    shown, digits = float(number[2].replace(",", "")), number[2].partition(".")[2]
    exact = 100 * value if number[3] == "\u00a0%" else value
    if number[1]:
        return exact < shown if number[1] == "< " else exact > shown
    return abs(shown - exact) <= 0.5 * 10 ** -len(digits) + 1e-9
