"""The page of a report: whole, escaped, without script, and its numbers are the document's."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from audit.report import documents

from deid.audit.report import html
from deid.audit.report.document import shared_part
from deid.audit.report.summary import NOT_COVERED

Json = dict[str, Any]
MAKERS = [
    documents.plain, documents.small, documents.troubled, documents.everywhere, documents.few_anywhere,
    documents.defended,
]  # fmt: skip
VOID = {"meta", "br", "img", "input", "hr", "link"}


class Page(HTMLParser):
    """Tags, what is open around each, the text, and the cells with a path."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.values: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.unclosed: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if "data-path" in attributes:
            self.values.append((attributes["data-path"] or "", attributes["data-value"] or ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def names(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def value_at(document: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        key = part.replace("~1", ".").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("part", [lambda document: document, shared_part])
def test_every_number_is_the_documents(make: Callable[[], Json], part: Callable[[Json], Json]) -> None:
    document = json.loads(json.dumps(part(make())))
    page = Page(html.render(document))
    assert len(page.values) > 100
    for path, raw in page.values:
        assert json.loads(raw) == value_at(document, path), path


@pytest.mark.parametrize("make", MAKERS)
def test_the_page_needs_nothing_but_itself(make: Callable[[], Json]) -> None:
    text = html.render(make())
    page = Page(text)
    assert page.unclosed == []
    assert page.open == []
    assert not page.names("script")
    assert not page.names("link")
    assert not page.names("img")
    assert not re.search(r"url\(|@import|\son\w+=", re.sub(r"<title>.*?</title>|&#\d+;", "", text))
    assert {attributes.get("href", "")[:1] for attributes in page.names("a")} <= {"#"}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", None) in (None, *ids)


@pytest.mark.parametrize("make", MAKERS)
def test_tables_and_plots_can_be_read_aloud(make: Callable[[], Json]) -> None:
    text = html.render(make())
    page = Page(text)
    assert len(page.names("caption")) == len(page.names("table"))
    assert all(attributes.get("scope") in ("row", "col") for attributes in page.names("th"))
    assert all(attributes.get("role") == "img" for attributes in page.names("svg"))
    assert len(re.findall(r"<svg[^>]*><title>[^<]+</title>", text)) == len(page.names("svg"))


@pytest.mark.parametrize("make", MAKERS)
def test_nothing_prints_as_none_or_nan(make: Callable[[], Json]) -> None:
    for document in (make(), shared_part(make())):
        assert not re.search(r"\b(None|nan|NaN|null|inf|undefined)\b", Page(html.render(document)).words)


def test_what_no_report_may_leave_out_is_there() -> None:
    for document in (documents.plain(), shared_part(documents.small())):
        page = Page(html.render(document))
        words = page.words
        for sentence in (document["ranks_are_spread"], document["threat_model"], *NOT_COVERED, document["digest"]):
            assert sentence in words
        assert "Does a one-to-one comparison with the original no longer match" in words
        for line in document["sets"][0]["first_screen"]:
            assert line["question"] in words
            assert " ".join(line["answer"].split()) in words
            assert all(" ".join(part.split()) in words for part in line["evidence"])
        for recognizer in document["recognizers"].values():
            assert recognizer["sha256"] in words
            assert html.CLASS_MEANINGS[recognizer["class"]] in words
        for file in document["sets"][0]["files"]:
            assert file["sha256"] in words
        assert {"name": "report-digest", "content": document["digest"]} in page.names("meta")


def test_where_people_stand_is_told_from_both_ends() -> None:
    for document in (documents.plain(), documents.everywhere()):
        words = Page(html.render(document)).words
        for told in (
            "Last of the list", "Among the last 10", "at the last 6 places of the list", "Found among the last so many",
            "How many stand among the first 6 candidates of a list, or among its last 6?",
        ):  # fmt: skip
            assert told in words


def test_over_a_whole_list_the_page_tells_of_tenths_and_ends_and_not_of_every_rank() -> None:
    page = Page(html.render(documents.everywhere()))
    assert not any(".pmf." in path for path, _ in page.values)
    for told in ("901 to 1,001", "The last 10", "Spread evenly over the whole list of 1,001", "p = 1.000, N = 400"):
        assert told in page.words
    assert "Within a person" not in page.words
    assert ">holds more than its share<" not in html.render(documents.everywhere())
    text = html.render(documents.few_anywhere())
    paths = {path.partition("whole_list.")[2] for path, _ in Page(text).values}
    for told in ("ends.first.main.value", "ends.last.at_least", "even.process.p", "tenths.9.main.high"):
        assert told in paths
    assert text.count(">holds more than its share<") == 4  # at both ends, in two galleries
    words = Page(html.render(documents.plain())).words
    assert "Within a person" in words
    assert "Tenths of the list" not in words


def test_names_are_escaped_everywhere() -> None:
    document = documents.troubled()
    text = html.render(document)
    page = Page(text)
    assert not page.names("script")
    assert not page.names("i")
    assert not page.names("b")
    assert documents.NASTY in page.words
    assert "A<b>1</b>" in page.words
    assert "B & <i>C</i>" in page.words
    assert any("net~1v1" in path for path, _ in page.values)


def test_a_failed_control_and_a_missing_one_are_said_beside_their_figures() -> None:
    document = documents.troubled()
    states = [part["figures"]["recognizers"][documents.NASTY]["control"]["state"] for part in document["sets"]]
    text = html.render(document)
    articles = re.findall(r"<article.*?</article>", text, re.DOTALL)
    nasty = [article for article in articles if "&lt;script&gt;" in article.split("</h3>")[0]]
    mute = [article for article in articles if ">mute " in article.split("</h3>")[0]]
    assert states == ["failed", "unavailable"]
    assert "The control failed: these figures prove nothing." in nasty[0]
    assert "Control unavailable" in mute[0]
    assert "Control unavailable" in nasty[1]
    assert "has no threshold" in mute[0]


def test_the_worst_recognizer_comes_first() -> None:
    text = html.render(documents.troubled())
    first = text[text.index('id="set-0"') : text.index('id="set-1"')]
    order = [name.strip() for name in re.findall(r'<h3 id="set-0-recognizer-\d+">(.*?) <span', first)]
    assert order[0].startswith("&lt;script&gt;")  # a third of its faces at rank 1
    assert order[1:] == ["net", "mute"]


def test_findings_name_the_grave_ones() -> None:
    page = html.render(documents.troubled())
    rows = re.findall(r'<th scope="row">A[^/]*.*?</tr>', page[page.index("Findings by photo") :], re.DOTALL)
    assert "grave" in rows[0]
    assert "grave" not in rows[1]
    assert "Nothing: every original" in Page(html.render(documents.plain())).words


def test_attack_by_defense_is_a_table_and_sets_stand_side_by_side() -> None:
    page = html.render(documents.defended())
    assert page.count("Attack × defense: set ") == 2
    assert page.count(">recovers people<") == 1
    words = Page(page).words
    assert "net behind jpeg this photo known; 50 persons asked about, 3 left out, 1,001 identities" in words
    assert "net behind jpeg: person named another photo known" in words
    for make in (documents.plain, documents.troubled):
        assert "Attack × defense" not in html.render(make())


def test_withheld_ranks_are_not_on_the_page() -> None:
    for make, told in ((documents.small, ".pmf."), (documents.few_anywhere, ".whole_list.")):
        assert told in html.render(make())
        page = html.render(shared_part(make()))
        for words in (".pmf.", ".whole_list.", ".from_the_end.", ".last_candidates."):
            assert words not in page
        assert "is withheld" in page
        assert "too few faces for a distribution over ranks" in page


@pytest.mark.parametrize("verdict", ["met", "violated", "too few", "inconclusive"])
def test_the_verdict_comes_first_in_plain_words(verdict: str) -> None:
    page = html.render(documents.plain() | {"verdict": verdict})
    assert page.index(html.VERDICTS[verdict][0]) < page.index("<dl")


def test_several_sets_stand_side_by_side() -> None:
    assert "The sets side by side" in html.render(documents.troubled())
    assert "The sets side by side" not in html.render(documents.plain())


def test_a_signature_is_shown() -> None:
    signature = {"algorithm": "Ed25519", "public_key": "QUJD", "value": "REVG"}
    assert "Not signed." in html.render(documents.plain())
    page = html.render(documents.plain() | {"signature": signature})
    assert "QUJD" in page
    assert "REVG" in page
    assert "Not signed." not in page


def test_the_page_of_the_written_json_is_the_same_page() -> None:
    document = documents.troubled()
    assert html.render(json.loads(json.dumps(document))) == html.render(document)


def test_what_is_no_report_is_refused() -> None:
    broken = documents.plain()
    del broken["sets"][0]["figures"]["recognizers"]["net"]["control"]
    for document in ({}, {"recognizers": {}}, broken, documents.plain() | {"verdict": "fine"}):
        with pytest.raises(ValueError, match="not a report that can be drawn"):
            html.render(document)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "percent", "not available"),
        (0.0, "percent", "0.0\u00a0%"),
        (0.0001, "percent", "< 0.1\u00a0%"),
        (0.9999, "percent", "> 99.9\u00a0%"),
        (0.9996, "percent", "> 99.9\u00a0%"),
        (0.999, "percent", "99.9\u00a0%"),
        (1.0, "percent", "100.0\u00a0%"),
        (0.2174, "percent", "21.7\u00a0%"),
        (1234, "count", "1,234"),
        (0.96149, "decimal", "0.961"),
        (0.0001, "p", "< 0.001"),
        (38.44, "dB", "38.4\u00a0dB"),
        (0.1, "plain", "0.1"),
    ],
)
def test_numbers_are_formatted_in_one_place(value: Any, kind: str, text: str) -> None:
    assert html.formatted(value, kind) == text
