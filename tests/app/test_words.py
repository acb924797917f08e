"""What lay people are told: true, and not more than was measured."""

from dataclasses import replace
from typing import Any

import pytest

from deid.app import words
from deid.commands.summaries import HIDDEN
from deid.faces.obfuscation import OBFUSCATIONS, STRENGTHS
from deid.methods import METHODS
from deid.protection.profiles import PROFILES
from deid.recognizers.kinship import CLASSES
from deid.types import FaceResult, Opinion, Options, PhotoResult, PossibleFace

BOX = (0.0, 0.0, 9.0, 9.0)
DONE = FaceResult(BOX, "itself", "protected", 4, True, 1, 4, 1.0, 0.6, False)
HELD, FAR = Opinion("one", "surrogate", 1, 4, False), Opinion("two", "surrogate", 1, 812, False)
MATCHING, FIRST = Opinion("three", "independent", 1, 7, True), Opinion("four", "related", 1, 1, False)
STRANGER = replace(DONE, k=3, exact=False, rank_after=812, recognizers=(FAR, HELD))


def photo(*faces: FaceResult, profile: str = "stranger", method: str = "feature-level", **more: Any) -> PhotoResult:
    record = {"outcome": "protected", "weights": {"one": "0", "two": "1"}} | more
    return PhotoResult("in", "out", profile=profile, method=method, k_level=5, faces=faces, **record)


def paper(*faces: FaceResult, **more: Any) -> PhotoResult:
    return photo(*faces, **{"profile": "paper", "method": "k-a3", "weights": {"one": "0"}} | more)


def test_every_choice_of_the_program_has_its_line() -> None:
    assert set(words.METHODS) == {name for name, kind in METHODS.items() if kind != "rival"}
    assert next(iter(words.METHODS)) == Options().method
    assert set(words.CHECKED) == set(PROFILES)
    assert set(words.FALLBACKS) == {"", *OBFUSCATIONS} == {"", *HIDDEN}
    assert set(words.CLASSES) == set(CLASSES)
    assert words.BLUR_SIZES == STRENGTHS


@pytest.mark.parametrize(
    ("rank", "word"), [(1, "first"), (10, "tenth"), (11, "11th"), (21, "21st"), (112, "112th"), (1001, "1,001st")]
)
def test_ordinals(rank: int, word: str) -> None:
    assert words.ordinal(rank) == word


def test_the_verdict_of_a_face_of_the_papers_experiment() -> None:
    text = words.face_sentence(DONE, "1", paper(DONE), 1001)
    assert "one put them first before; now **fourth** of 1,001." in text
    assert "still among one's first six guesses, by design" in text
    assert "**it no longer matches**" in text
    asked = replace(DONE, recognizers=(MATCHING, HELD))
    text = words.face_sentence(asked, "1", paper(asked), 1001)
    assert "no longer matched by 1 of 2 recognizers asked; three still matches." in text
    assert "still among one's first six guesses, by design" in text


def test_a_face_protected_against_strangers_has_no_place_by_design() -> None:
    near = replace(STRANGER, rank_after=4)
    for face in (STRANGER, near):
        text = words.face_sentence(face, "1", photo(face), 1001)
        assert text == "**Face 1**: no longer matched by any of 2 recognizers asked."
    assert "drawn over its whole list" in words.limits(photo(STRANGER))
    assert "drawn" not in words.limits(paper(DONE))


def test_a_match_is_never_left_out() -> None:
    face = replace(DONE, matches_at_far_1e_2=True)
    assert "**it still matches**" in words.face_sentence(face, "1", paper(face), 1001)


def test_a_failure_is_called_one() -> None:
    failed = FaceResult(BOX, "itself", "failed", 4, False, 1, 1, 1.0, 0.9, True)
    result = paper(DONE, failed, outcome="failed")
    assert "**not protected**: one, which knew this photo, still" in words.face_sentence(failed, "2", result, 1001)
    assert words.headline(result) == "Not protected: one of two faces could not be verified, so no file was made."


def test_a_failure_says_why() -> None:
    failed = FaceResult(BOX, "itself", "failed", 4, False, 1, 4, 1.0, 0.9, False, recognizers=(HELD,))
    why = "face 1 could not be protected (half size and back, it still matches one to one), so nothing was written"
    result = photo(failed, outcome="failed", message=why)
    text = words.face_sentence(failed, "1", result, 1001)
    assert "**not protected**" in text
    assert "first" not in text  # it is not, in the saved file
    assert "no longer" not in text
    assert words.why_not(result).startswith(f"Why: {why}. Try again")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_was_checked_is_said_and_not_more(profile: str) -> None:
    definition = PROFILES[profile]
    text = words.limits(photo(STRANGER, profile=profile))
    assert ("after a recompression, at half size and with a small crop" in text) == (len(definition.handlings) > 1)
    assert ("saved file only" in text) == (len(definition.handlings) == 1)
    assert ("not attacked: in the saved file alone" in text) == bool(definition.further_surrogates)
    assert "among others the right person may come first again" in text
    assert "Recognizers that are not named here were not asked" in text


def test_the_headline_counts_who_still_recognizes_a_face() -> None:
    held = "No longer matched by any of 2 recognizers asked. One face checked in the saved file."
    assert words.headline(photo(STRANGER)) == held
    still = replace(STRANGER, recognizers=(MATCHING, FIRST, HELD, FAR))
    assert words.headline(photo(still)) == (
        "No longer matched by 2 of 4 recognizers asked; three still matches and four still puts them first. "
        "One face checked in the saved file."
    )
    assert words.headline(photo(STRANGER, still)) == (
        "No longer matched by 2 of 4 recognizers asked; three (1 of 2 faces) still matches and four (1 of 2 faces) "
        "still puts them first. Two faces checked in the saved file."
    )


def test_no_heading_of_success_stands_over_a_recognizer_that_is_not_held_off() -> None:
    for opinions in ((MATCHING,), (FIRST, HELD), (MATCHING, FIRST), (HELD, FAR)):
        result = photo(replace(STRANGER, recognizers=opinions))
        lines = [words.recognizer_sentence(opinion, 1001, of=opinions) for opinion in opinions]
        open_ = [line for line in lines if "**not protected against it**" in line]
        assert len(open_) == sum(opinion.recognizes for opinion in opinions)
        assert bool(open_) == ("still" in words.headline(result).lower())


def test_without_any_answer_the_headline_names_who_was_attacked() -> None:
    assert words.headline(paper(DONE)) == "Checked against one. One face checked in the saved file."


def test_a_blur_promises_no_place() -> None:
    asked = tuple(Opinion(name, "independent", 1, 300, False) for name in ("one", "two"))
    face = replace(STRANGER, k=None, recognizers=asked)
    result = photo(face, method="blur")
    assert "chance" in words.face_sentence(face, "1", result, 1001)
    assert words.headline(result) == (
        "No longer matched by any of 2 recognizers asked. One face checked in the saved file."
    )
    assert (
        words.recognizer_sentence(asked[0], 1001, of=asked) == "**one** no longer matches and puts them 300th of 1,001."
    )
    assert "people" not in words.limits(result)  # it does hide from them


def test_a_fallback_is_said() -> None:
    hidden = replace(STRANGER, k=None, fallback="blur")
    result = photo(STRANGER, hidden)
    assert "The method could not protect it, so it is **blurred** instead" in words.face_sentence(
        hidden, "1", result, 9
    )
    assert words.headline(result).endswith("Two faces checked in the saved file. One had to be blurred.")


def test_faces_left_alone_are_named() -> None:
    left = FaceResult(BOX, "itself", "skipped")
    result = photo(STRANGER, left)
    assert words.headline(result).endswith("One face checked in the saved file. One left as it was.")
    assert "left as it was" in words.face_sentence(left, "2", result, 1001)


def test_possible_faces_left_are_counted() -> None:
    one, two = (tuple(PossibleFace(BOX, 0.4) for _ in range(count)) for count in (1, 2))
    text = words.possible_left_on_picture(2)
    assert text.startswith("2 possible faces are left as they are: click one to protect it as well.")
    assert words.possible_left_on_picture(1).startswith("1 possible face is left as it is: click it to protect it")
    assert words.possible_left_on_picture(0) == ""
    done = photo(STRANGER, possible=one)
    assert words.headline(done).endswith("One face checked in the saved file. One possible face left as it was.")
    nobody = photo(outcome="no-face", possible=two)
    assert words.headline(nobody) == (
        "No detector is sure of any face in this photo, so no file was made. Two possible faces left as they were."
    )
    assert words.left_possible_in([done, nobody]) == "3 possible faces in 2 photos left as they are."
    assert words.left_possible_in([done]) == "1 possible face in 1 photo left as it is."
    assert words.left_possible_in([]) == ""


def test_each_recognizer_has_its_line() -> None:
    of = (MATCHING, FIRST, HELD)
    assert words.recognizer_sentence(HELD, 1001, of=of) == (
        "**one** (attacked) no longer matches and puts them fourth of 1,001."
    )
    assert words.recognizer_sentence(MATCHING, 1001, of=of) == (
        "**three** (not attacked, and independent of what was) **still matches** and puts them seventh of 1,001: "
        "**not protected against it**."
    )
    assert words.recognizer_sentence(FIRST, 1001, of=of).endswith(
        "no longer matches and still puts them first of 1,001: **not protected against it**."
    )
    unmeasured = replace(HELD, matches=None)
    assert words.recognizer_sentence(unmeasured, 1001, of=of) == "**one** (attacked) puts them fourth of 1,001."
