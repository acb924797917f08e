from typing import Any

import pytest
from fakes import entry

from deid.recognizers.kinship import class_of

NET = entry("net", training_data="faces of A", teacher="master", teacher_trained_on="faces of M")


def test_what_was_attacked_is_the_surrogate_whatever_it_is_called() -> None:
    renamed = entry("renamed", sha256=NET.sha256)
    assert class_of(NET, [NET]) == class_of(renamed, [NET]) == "surrogate"


@pytest.mark.parametrize(
    "other",
    [
        entry("master", training_data="faces of B"),  # taught the surrogate
        entry("pupil", training_data="faces of C", teacher="net"),  # was taught by it
        entry("sibling", training_data="faces of D", teacher="master"),  # has the same teacher
        entry("pupil of two", training_data="faces of C", teacher="another, net"),
        entry("cousin", training_data="faces of A"),  # has seen the same faces
        entry("pupil of a cousin", training_data="faces of E", teacher="x", teacher_trained_on="faces of A"),
        entry("as its teacher", training_data="faces of M"),  # has seen what its teacher saw
    ],
    ids=lambda other: other.name,
)
def test_related(other: Any) -> None:
    assert class_of(other, [NET]) == "related"


def test_independent_is_only_who_says_what_it_has_seen() -> None:
    assert class_of(entry("other", training_data="faces of B", teacher="somebody"), [NET]) == "independent"
    assert class_of(entry("silent", training_data=None), [NET]) == "unknown"


def test_two_of_unstated_training_are_not_related_by_their_silence() -> None:
    silent = entry("silent", training_data=None)
    assert class_of(entry("other", training_data=None), [silent]) == "unknown"
    assert class_of(entry("other"), [silent]) == "independent"


def test_the_nearest_of_several_surrogates_counts() -> None:
    far = entry("far", training_data="faces of Z")
    assert class_of(entry("cousin", training_data="faces of A"), [far, NET]) == "related"
    assert class_of(far, [NET, far]) == "surrogate"


def test_without_a_journal_everything_is_unknown() -> None:
    assert class_of(NET, None) == class_of(entry("other"), None) == "unknown"


def test_a_blur_attacks_nobody() -> None:
    assert class_of(NET, []) == "independent"
