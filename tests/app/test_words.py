"""What lay people are told: true, and not more than was measured."""

import pytest

from deid.app import words
from deid.attacks import ATTACKS
from deid.commands.summaries import HIDDEN
from deid.faces.obfuscation import OBFUSCATIONS
from deid.protection.profiles import PROFILES
from deid.protection.progress import Step
from deid.recognizers.kinship import CLASSES
from deid.types import FaceResult, PhotoResult, PossibleFace

BOX = (0.0, 0.0, 9.0, 9.0)
DONE = FaceResult(BOX, "itself", "protected", 4, True, 1, 4, 1.0, 0.6, False)


def test_every_choice_of_the_program_has_its_line() -> None:
    assert set(words.METHODS) == set(ATTACKS | OBFUSCATIONS)
    assert set(words.PROFILES) == set(words.CHECKED) == set(PROFILES)
    assert set(words.FALLBACKS) == {"", *OBFUSCATIONS} == {"", *HIDDEN}
    assert set(words.CLASSES) == set(CLASSES)


@pytest.mark.parametrize(
    ("rank", "word"), [(1, "first"), (10, "tenth"), (11, "11th"), (21, "21st"), (112, "112th"), (1001, "1,001st")]
)
def test_ordinals(rank: int, word: str) -> None:
    assert words.ordinal(rank) == word


def test_the_verdict_of_a_protected_face() -> None:
    text = words.face_sentence(DONE, "1", 5, 1001)
    assert "put them first before; now **fourth** of 1,001." in text
    assert "still among its first six guesses, by design" in text
    assert "no longer says match" in text


def test_a_match_is_never_left_out() -> None:
    face = FaceResult(BOX, "itself", "protected", 4, True, 1, 4, 1.0, 0.6, True)
    assert "**still says match**" in words.face_sentence(face, "1", 5, 1001)


def test_a_failure_is_called_one() -> None:
    failed = FaceResult(BOX, "itself", "failed", 4, False, 1, 1, 1.0, 0.9, True)
    assert "**not protected**" in words.face_sentence(failed, "2", 5, 1001)
    result = PhotoResult("in", None, "failed", "paper", "k-a3", 5, (DONE, failed))
    assert words.headline(result) == "Not protected: one of two faces could not be verified, so no file was made."


def test_a_failure_says_why() -> None:
    failed = FaceResult(BOX, "itself", "failed", 4, False, 1, 4, 1.0, 0.9, False)
    text = words.face_sentence(failed, "1", 5, 1001)
    assert "**not protected**" in text
    assert "first" not in text  # it is not, in the saved file
    why = "face 1 could not be protected (half size and back, it still matches one to one), so nothing was written"
    result = PhotoResult("in", None, "failed", "robust", "k-a3", 5, (failed,), message=why)
    assert words.why_not(result).startswith(f"Why: {why}. Try again")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_was_checked_is_said_and_not_more(profile: str) -> None:
    definition = PROFILES[profile]
    text = words.limits(PhotoResult("in", "out", "protected", profile, "k-a3", 5, (DONE,)))
    assert ("after a recompression, at half size and with a small crop" in text) == (len(definition.handlings) > 1)
    assert ("saved file only" in text) == (len(definition.handlings) == 1)
    assert "among others the right person may come first again" in text
    assert (
        "must not match" in words.PROFILES[profile] or "the same" in words.PROFILES[profile]
    ) == definition.unmatched
    attacked = f"{words.number(1 + len(definition.further_surrogates))} recognizers"
    assert (attacked in words.PROFILES[profile]) == bool(definition.further_surrogates)


@pytest.mark.parametrize(
    ("attacked", "named"), [(["one"], "one"), (["one", "two"], "one and two"), (["a", "b", "c"], "a, b and c")]
)
def test_all_attacked_recognizers_are_named(attacked: list[str], named: str) -> None:
    weights = dict.fromkeys(attacked, "0")
    result = PhotoResult("in", "out", "protected", "transfer", "k-a3", 5, (DONE,), weights=weights)
    assert words.headline(result) == f"One face protected against {named}, checked in the saved file."
    assert words.still_matched_by(["one"]) == "**Compared one to one with your own photo, one still says match.**"
    assert words.still_recognized_by(["a", "b"]) == "**Still recognized by a and b**, which were not attacked."
    assert words.still_matched_by([]) == words.still_recognized_by([]) == ""
    far = FaceResult(BOX, "itself", "protected", 4, False, 1, 812, 1.0, 0.1, False)
    assert "by design" not in words.face_sentence(far, "1", 5, 1001)


def test_a_blur_promises_no_place() -> None:
    face = FaceResult(BOX, "itself", "protected", None, False, 1, 300, 1.0, 0.2, False)
    text = words.face_sentence(face, "1", 5, 1001)
    assert "by design" not in text
    assert "300th" in text
    assert "chance" in text
    result = PhotoResult("in", "out", "protected", "robust", "blur", 5, (face,), weights={"lightcnn9": "0"})
    assert words.headline(result) == "One face hidden from lightcnn9, checked in the saved file."
    assert "people" not in words.limits(result)  # it does hide from them


def test_a_fallback_is_said() -> None:
    hidden = FaceResult(BOX, "itself", "protected", None, False, 1, 40, 1.0, 0.3, False, fallback="blur")
    assert "The method could not protect it, so it is **blurred** instead" in words.face_sentence(hidden, "1", 5, 1001)
    result = PhotoResult("in", "out", "protected", "robust", "k-a3", 5, (DONE, hidden), weights={"one": "1"})
    assert words.headline(result) == (
        "Two faces protected against one, checked in the saved file. One had to be blurred."
    )


def test_faces_left_alone_are_named() -> None:
    left = FaceResult(BOX, "itself", "skipped")
    result = PhotoResult("in", "out", "protected", "paper", "k-a3", 5, (DONE, left), weights={"lightcnn9": "0"})
    assert words.headline(result) == (
        "One face protected against lightcnn9, checked in the saved file. One left as it was."
    )
    assert "left as it was" in words.face_sentence(left, "2", 5, 1001)


def test_possible_faces_left_are_counted() -> None:
    one, two = (tuple(PossibleFace(BOX, 0.4) for _ in range(count)) for count in (1, 2))
    text = words.possible_left_on_picture(2)
    assert text.startswith("2 possible faces are left as they are: click one to protect it as well.")
    assert words.possible_left_on_picture(1).startswith("1 possible face is left as it is: click it to protect it")
    assert words.possible_left_on_picture(0) == ""
    done = PhotoResult("in", "out", "protected", "paper", "k-a3", 5, (DONE,), one, weights={"lightcnn9": "0"})
    assert words.headline(done) == (
        "One face protected against lightcnn9, checked in the saved file. One possible face left as it was."
    )
    nobody = PhotoResult("in", None, "no-face", "paper", "k-a3", 5, possible=two)
    assert words.headline(nobody) == (
        "No detector is sure of any face in this photo, so no file was made. Two possible faces left as they were."
    )
    assert words.left_possible_in([done, nobody]) == "3 possible faces in 2 photos left as they are."
    assert words.left_possible_in([done]) == "1 possible face in 1 photo left as it is."
    assert words.left_possible_in([]) == ""


def test_another_recognizer_s_first_place_or_match_is_no_protection() -> None:
    assert "**not protected against it**" in words.other_sentence("dlib-resnet", "related", 1, 1, 1001, False)
    assert "**not protected against it**" in words.other_sentence("dlib-resnet", "related", 7, 1, 1001, True)
    fine = words.other_sentence("dlib-resnet", "independent", 7, 1, 1001, False)
    assert "not protected" not in fine
    assert "independent of what was" in fine


def test_progress_says_how_many_faces_are_settled_and_where_the_others_stand() -> None:
    step = Step(2, 31, (4, 1, None), working=(1, 2))
    assert words.progress(step, ["face 1", "face 3", "face 4"]) == (
        "Protecting: 1 of 3 faces settled · round 2, step 31 · now face 3 first, face 4 …"
    )
    assert (
        words.progress(Step(1, 7, (1,), working=(0,)), ["drawn 2"]) == "Protecting: round 1, step 7 · now drawn 2 first"
    )
    look = Step(1, 9, (4, 1))
    assert words.progress(look, ["face 1", "face 2"]) == (
        "Protecting: 1 of 2 faces settled · round 1, looking at the saved file · now face 1 fourth, face 2 first"
    )
