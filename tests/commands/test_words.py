"""What the command line and the page say of recognizers, and of how far an attack is."""

from dataclasses import replace

import pytest

from deid.commands import words
from deid.protection.progress import Pace, Step
from deid.recognizers.kinship import CLASSES
from deid.types import FaceResult, Opinion, RecognizerClass

ATTACKED = [Opinion(name, "surrogate", 1, rank, False) for name, rank in (("a", 9), ("b", 12))]
OTHER = Opinion("c", "independent", 1, 40, False)


def face(*opinions: Opinion) -> FaceResult:
    return FaceResult((0, 0, 1, 1), "itself", "protected", 3, False, 1, 9, recognizers=tuple(opinions))


def test_every_class_has_its_words() -> None:
    assert set(words.CLASSES) == set(CLASSES)


@pytest.mark.parametrize(
    ("opinions", "said"),
    [
        ([*ATTACKED, OTHER], "no longer matched by any of 3 recognizers asked"),
        ([OTHER], "no longer matched by c"),
        ([*ATTACKED, replace(OTHER, matches=True)], "no longer matched by 2 of 3 recognizers asked; c still matches"),
        ([*ATTACKED, replace(OTHER, rank_after=1)],
         "no longer matched by 2 of 3 recognizers asked; c still puts them first"),
        ([replace(ATTACKED[0], matches=True), replace(ATTACKED[1], matches=True), OTHER],
         "no longer matched by 1 of 3 recognizers asked; a and b still match"),
        ([replace(opinion, matches=True) for opinion in ATTACKED], "still matched by both recognizers asked"),
        ([replace(OTHER, matches=True)], "still matched by c"),
        ([replace(ATTACKED[0], matches=True), replace(OTHER, rank_after=1)],
         "a still matches and c still puts them first"),
        ([*ATTACKED, replace(OTHER, matches=None)], "no longer matched by 2 of 3 recognizers asked"),
        ([replace(OTHER, matches=None)], "no longer put first by c"),
        ([], ""),
    ],
)  # fmt: skip
def test_who_still_recognizes_a_face_is_counted_and_named(opinions: list[Opinion], said: str) -> None:
    assert words.counted([face(*opinions)]) == said


def test_of_several_faces_it_is_said_how_many_each_recognizes() -> None:
    matched = face(*ATTACKED, replace(OTHER, matches=True))
    left = FaceResult((0, 0, 1, 1), "itself", "skipped")
    assert words.counted([matched, face(*ATTACKED, OTHER), left]) == (
        "no longer matched by 2 of 3 recognizers asked; c (1 of 2 faces) still matches"
    )


@pytest.mark.parametrize(
    ("opinion", "line"),
    [
        (OTHER, "c (not attacked, independent): no longer matches, RANKS"),
        (replace(OTHER, matches=True), "c (not attacked, independent): still matches, RANKS"),
        (replace(OTHER, rank_after=1, matches=True),
         "c (not attacked, independent): still matches and still puts them first, RANKS"),
        (replace(OTHER, rank_after=1),
         "c (not attacked, independent): no longer matches but still puts them first, RANKS"),
        (replace(OTHER, rank_before=2, rank_after=1, matches=None),
         "c (not attacked, independent): puts them first, RANKS"),
        (replace(OTHER, matches=None), "c (not attacked, independent): no longer puts them first, RANKS"),
        (ATTACKED[0], "a (attacked): no longer matches, RANKS"),
    ],
)  # fmt: skip
def test_each_recognizer_has_a_line(opinion: Opinion, line: str) -> None:
    assert words.recognizer_line(opinion, "RANKS", of=[*ATTACKED, opinion]) == line


def test_of_several_faces_each_recognizer_has_a_line_too() -> None:
    left = FaceResult((0, 0, 1, 1), "itself", "skipped")
    faces = [face(*ATTACKED, replace(OTHER, matches=True, rank_after=1)), left, face(ATTACKED[0], OTHER)]
    assert words.faces_line("a", faces) == "a (attacked): still matches 0 of 2 faces, puts 0 of 2 first"
    assert words.faces_line("b", faces) == "b (attacked): still matches 0 of 1 faces, puts 0 of 1 first"
    assert words.faces_line("c", faces) == (
        "c (not attacked, independent): still matches 1 of 2 faces, puts 1 of 2 first"
    )
    unmeasured = [face(replace(OTHER, matches=None))]
    assert words.faces_line("c", unmeasured) == "c: puts 0 of 1 first"


@pytest.mark.parametrize("kind", CLASSES)
def test_where_nothing_was_attacked_there_is_nothing_to_be_close_to(kind: RecognizerClass) -> None:
    asked = [replace(opinion, kind=kind) for opinion in ATTACKED]
    assert ("(" in words.classed(asked, of=asked)) == (kind == "surrogate")


def test_a_step_names_the_face_the_step_and_the_time_left() -> None:
    step = Step(2, 31, (4, 1, None), working=(1, 2), pace=Pace(3, 20, 14.4))
    assert words.step_line(step, ["face 1", "face 3", "face 4"]) == (
        "face 3 (now at rank 1) and face 4 · 1 of 3 faces settled · round 2, step 3 of 20 · "
        "at most 14 s left in this round"
    )
    assert words.step_line(Step(1, 1, (None,), working=(0,), pace=Pace(1, 40)), ["drawn 2"]) == (
        "drawn 2 · round 1, step 1 of 40"
    )
    look = Step(1, 9, (4, 1))
    assert words.step_line(look, ["face 1", "face 2"]) == (
        "face 1 (now at rank 4) and face 2 (now at rank 1) · 1 of 2 faces settled · round 1, looking at the saved file"
    )


def test_of_a_crowd_a_few_are_named() -> None:
    step = Step(1, 1, (None,) * 9, working=tuple(range(9)), pace=Pace(1, 40, 300))
    said = words.step_line(step, [f"face {n}" for n in range(1, 10)])
    assert said.startswith("face 1, face 2, face 3 and 6 more · ")
    assert said.endswith("at most 5 min left in this round")
