"""The schema takes what the program makes, whole and shared, and refuses typical damage."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from audit.report import documents
from jsonschema import Draft202012Validator

from deid.audit.report.document import shared_part
from deid.audit.report.schema import schema
from deid.audit.sets import FIRST_CANDIDATES, WHOLE_LIST

Json = dict[str, Any]
VALIDATOR = Draft202012Validator(schema())


def problems(document: Json) -> list[str]:
    # Through text, as a reader gets it.
    return [error.json_path for error in VALIDATOR.iter_errors(json.loads(json.dumps(document, allow_nan=False)))]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize(
    "make",
    [
        documents.plain, documents.small, documents.troubled, documents.everywhere, documents.few_anywhere,
        documents.defended,
    ],
)  # fmt: skip
def test_documents_are_valid_whole_and_shared(make: Callable[[], Json]) -> None:
    assert problems(make()) == []
    assert problems(shared_part(make())) == []


def test_a_set_without_faces_is_valid() -> None:
    empty = documents.published("A", {"net": documents.counts_of(documents.SPREAD)})
    nobody = {"faces": 0, "photos": 0}
    empty["counts"] |= {"faces": 0, "persons": 0, "further_looks": 0, "second_look": nobody, "possible": nobody}
    empty["counts"] |= {"recognizers": {"net": documents.counts_without_gallery(0)}}
    document = documents.document({"net": documents.description("independent")}, [empty])
    assert problems(document) == []
    assert document["verdict"] == "inconclusive"


def test_where_no_face_was_ranked_it_is_valid() -> None:
    for spread_over in (FIRST_CANDIDATES, WHOLE_LIST):
        counts = documents.counts_of({}, control={})
        recognized = {"net": counts, "mute": documents.counts_without_gallery(4)}
        nobody = documents.published("A", recognized, spread_over=spread_over)
        recognizers = {name: documents.description("independent") for name in ("net", "mute")}
        document = documents.document(recognizers, [nobody])
        assert document["sets"][0]["figures"]["recognizers"]["net"]["galleries"]["fresh decoys"]["n"] == 0
        assert problems(document) == []


def test_a_signed_document_is_valid() -> None:
    signature = {"algorithm": "Ed25519", "public_key": "A" * 43 + "=", "value": "A" * 86 + "=="}
    assert problems(documents.plain() | {"signature": signature}) == []
    assert problems(documents.plain() | {"signature": signature | {"algorithm": "none"}}) != []


def _set(*path: str | int, to: Any) -> Callable[[Json], None]:
    def damage(document: Json) -> None:
        for key in path[:-1]:
            document = document[key]  # type: ignore[index]
        document[path[-1]] = to  # type: ignore[index]

    return damage


def _drop(*path: str | int) -> Callable[[Json], None]:
    def damage(document: Json) -> None:
        for key in path[:-1]:
            document = document[key]  # type: ignore[index]
        del document[path[-1]]  # type: ignore[arg-type]

    return damage


_COUNTS = ("sets", 0, "counts", "recognizers", "net")
_FIGURES = ("sets", 0, "figures", "recognizers", "net")
_GALLERY = ("galleries", "shipped decoys")


_DEFENDED = ("defenses", "jpeg", "this photo")


@pytest.mark.parametrize(
    "damage",
    [
        _drop(*_COUNTS, "defenses"),
        _set(*_COUNTS, *_DEFENDED, "published", "failed", to=-1),
        _set(*_COUNTS, *_DEFENDED, "identities", to=1),
        _set(*_COUNTS, "defenses", "jpeg", "no photo", to={}),
        _set(*_FIGURES, *_DEFENDED, "published", "detected", "value", to=1.5),
        _drop(*_FIGURES, *_DEFENDED, "recovers"),
        _set(*_FIGURES, *_DEFENDED, "names", to=["ann"]),
    ],
)
def test_damage_to_what_defenses_answered_is_refused(damage: Callable[[Json], None]) -> None:
    document = copy.deepcopy(documents.defended())
    damage(document)
    assert problems(document) != []


@pytest.mark.parametrize(
    "damage",
    [
        _set("sets", 0, "counts", "faces", to=-1),
        _set("sets", 0, "counts", "faces", to=99.5),
        _set(*_COUNTS, *_GALLERY, "handlings", "as published", "ranks", "2", to=-20),
        _set(*_COUNTS, *_GALLERY, "handlings", "as published", "ranks", "0", to=1),
        _drop(*_COUNTS, *_GALLERY, "handlings", "as published"),
        _set(*_COUNTS, "one_to_one", "1e-4", to={}),
        _set(*_FIGURES, *_GALLERY, "attack_success", "value", to=1.2),
        _set(*_FIGURES, *_GALLERY, "this_set", "condition_6", to="inconclusive"),
        _set(*_FIGURES, *_GALLERY, "process", "condition_6", to="perhaps"),
        _drop(*_FIGURES, *_GALLERY, "pmf"),
        _drop(*_FIGURES, *_GALLERY, "from_the_end", "10"),
        _drop(*_COUNTS, *_GALLERY, "from_the_end", "places"),
        _drop(*_FIGURES, *_GALLERY, "last_candidates"),
        _set(*_FIGURES, *_GALLERY, "whole_list", to={}),
        _set("sets", 0, "counts", "spread_over", to="somewhere"),
        _set("ranks_are_spread", to="Nobody stands anywhere."),
        _set(*_FIGURES, "control", "state", to="skipped"),
        _set("recognizers", "net", "class", to="friendly"),
        _set("recognizers", "net", "sha256", to="ab"),
        _set("verdict", to="fine"),
        _drop("ranks_are_spread"),
        _set("ranks_are_spread", to=""),
        _drop("threat_model"),
        _set("not_covered", to=[]),
        _drop("digest"),
        _set("path", to="/home/somebody/photos"),
        _set("sets", 0, "files", 0, "name", to="somebody.jpg"),
    ],
)
def test_damage_is_refused(damage: Callable[[Json], None]) -> None:
    document = copy.deepcopy(documents.plain())
    damage(document)
    assert problems(document) != []
