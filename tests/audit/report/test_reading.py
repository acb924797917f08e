"""A report.json that somebody else made: however large its numbers, it costs nothing to refuse it."""

import copy
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from audit.report import documents

from deid.audit.report import html
from deid.audit.report.document import differences, shared_part
from deid.audit.report.reading import DEEPEST, MOST, read_document
from deid.errors import UsageError

Json = dict[str, Any]
MAKERS: list[Callable[[], Json]] = [
    documents.plain, documents.small, documents.troubled, documents.everywhere, documents.few_anywhere,
    documents.defended,
]  # fmt: skip


def written(folder: Path, text: str) -> Path:
    path = folder / "report.json"
    path.write_text(text, encoding="utf-8")
    return path


def counts_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a document counts something."""
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from counts_in(part, (*path, key))
    elif type(value) is int and "counts" in path:
        yield path


def put(document: Json, path: tuple[str | int, ...], value: Any) -> Json:
    changed = copy.deepcopy(document)
    within: Any = changed
    for key in path[:-1]:
        within = within[key]
    within[path[-1]] = value
    return changed


@pytest.mark.parametrize("make", MAKERS)
def test_what_the_program_makes_is_read(make: Callable[[], Json], tmp_path: Path) -> None:
    for document in (make(), shared_part(make())):
        assert read_document(written(tmp_path, json.dumps(document))) == json.loads(json.dumps(document))


def test_no_count_is_beyond_all_measure(tmp_path: Path) -> None:
    document = json.loads(json.dumps(documents.defended()))
    places = sorted({path[-2:]: path for path in counts_in(document)}.values(), key=str)[::5]
    assert len(places) > 10
    for path in places:
        with pytest.raises(UsageError, match="beyond all measure"):
            read_document(written(tmp_path, json.dumps(put(document, path, 200_000_000))))


def test_what_is_let_through_costs_no_memory() -> None:
    """Each count at its bound, or a rank, a bin or a list as long as that."""
    document = json.loads(json.dumps(documents.everywhere()))
    places = sorted({path[-3:]: path for path in counts_in(document)}.values(), key=str)
    galleries = document["sets"][0]["counts"]["recognizers"]["net"]["galleries"]
    within = [("sets", 0, "counts", "recognizers", "net", "galleries", next(iter(galleries)), "size")]
    tracemalloc.start()
    for path in (places[0], *within):
        assert differences(put(document, path, MOST), None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 30 << 20


@pytest.mark.parametrize(
    "change",
    [
        {"1000000000": 1},
        {"9" * 5000: 1},
        {"2": 1e300},
        {"2": 10**400},
        {"2": -(10**400)},
    ],
)
def test_no_rank_is(change: Json, tmp_path: Path) -> None:
    path = ("sets", 0, "counts", "recognizers", "net", "galleries", "shipped decoys", "one_per_person")
    with pytest.raises(UsageError):
        read_document(written(tmp_path, json.dumps(put(documents.plain(), path, change))))


@pytest.mark.parametrize("K", [0, -3, 101, 10**9, 1e9])
def test_no_anonymity_level_is(K: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="anonymity level"):
        read_document(written(tmp_path, json.dumps(put(documents.plain(), ("configuration", "k_level"), K))))


def test_many_pairs_of_many_faces_are_none(tmp_path: Path) -> None:
    document = documents.plain()
    counts = document["sets"][0]["counts"]
    counts["faces"] = 50_000
    counts["recognizers"]["net"]["linked"]["1e-2"]["pairs"] = 10**9
    assert read_document(written(tmp_path, json.dumps(document))) == document


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": "a", "format": "b"}', "«format» twice"),
        ('{"sets": [{"counts": {"faces": 1, "faces": 2}}]}', "«faces» twice"),
        ("[" * 100_000, "too deep"),
        ('{"a":' * 100_000, "too deep"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "too deep"),
        ('{"a": NaN}', "no number"),
        ('{"a": -Infinity}', "no number"),
        ('{"a": 1e999}', "no number"),
        ("[]", "no JSON object"),
        ('{"sets": [1]}', "not a report"),
        ('{"sets": 1}', "not a report"),
        ('{"sets": [{"counts": {"faces": "many"}}]}', "not a report"),
        ('{"configuration": []}', "not a report"),
        ("", "not a report"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "not a report"),
    ],
)
def test_what_no_program_writes_is_refused(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        read_document(written(tmp_path, text))


@pytest.mark.parametrize("edge", ["1e9", "-1e9", "5.0"])
def test_no_histogram_is_drawn_beyond_a_cosine(edge: str) -> None:
    path = ("sets", 0, "counts", "recognizers", "net", "histograms", "protected")
    with pytest.raises(ValueError, match="cosine"):
        html.render(put(documents.plain(), path, {edge: 1, "0.10": 1}))
