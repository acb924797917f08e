"""Which faces the options ask for, and what is refused before anything is loaded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.errors import UsageError
from deid.faces.face import Face
from deid.protection.options import (
    HandBox,
    check_options,
    chosen_faces,
    chosen_possible,
    hand_boxes,
    is_of_one_photo,
)
from deid.types import Options


def faces(*sides: float) -> list[Face]:
    return [Face((0, 0, side, side), np.zeros((5, 2)), 1.0) for side in sides]


THREE = faces(10, 30, 20)


@pytest.mark.parametrize(
    ("which", "excluded", "indices"),
    [
        ("all", "", [0, 1, 2]),
        ("largest", "", [1]),
        ("3,1", "", [0, 2]),
        (" 1 , 1 ", "", [0]),
        ("all,?1", "", [0, 1, 2]),
        ("?1", "", []),
        ("?1,2", "", [1]),
        ("largest,?2", "", [1]),
        ("all", "2", [0, 2]),
        ("all", "3, 1", [1]),
        ("1,2", "2,3", [0]),
        ("?1", "1,2,3", []),
    ],
)
def test_the_faces_that_are_chosen(which: str, excluded: str, indices: list[int]) -> None:
    options = Options(faces=which, excluded=excluded)
    check_options(options)
    assert chosen_faces(options, THREE) == indices


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(faces="4"), "no face 4: the photo has 3"),
        (Options(excluded="1,4"), "no face 4: the photo has 3"),
        (Options(faces="2", excluded="2"), "leaving out 2 leaves no face"),
        (Options(excluded="1,2,3"), "leaves no face"),
    ],
)
def test_a_photo_that_has_no_such_face(options: Options, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        chosen_faces(options, THREE)


def test_all_may_be_left_out_where_a_box_or_a_possible_face_is_to_be_protected() -> None:
    assert chosen_faces(Options(excluded="1,2,3", boxes=("0,0,9,9",)), THREE) == []
    assert chosen_faces(Options(faces="all,?1", excluded="1,2,3"), THREE) == []


@pytest.mark.parametrize(
    ("which", "indices"), [("all", []), ("largest", []), ("1,2", []), ("?2", [1]), ("all,?2,?1,?2", [0, 1])]
)
def test_the_possible_faces_that_are_taken_in(which: str, indices: list[int]) -> None:
    assert chosen_possible(Options(faces=which), THREE) == indices


def test_a_photo_that_has_no_such_possible_face() -> None:
    with pytest.raises(UsageError, match=r"no possible face \?4: the photo has 3"):
        chosen_possible(Options(faces="all,?4"), THREE)


WRONG_FACES = ["", " ", ",", "1,", "0", "?0", "-1", "1.5", "?", "??1", "1?", "?-1", "? 1", "every", "ALL", "all,1",
               "all,largest", "all;1", "1 2", "²"]  # fmt: skip


@pytest.mark.parametrize("text", WRONG_FACES)
def test_faces_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="faces must be"):
        check_options(Options(faces=text))


@pytest.mark.parametrize("text", [*WRONG_FACES[1:], "all", "largest", "?1"])
def test_faces_to_leave_out_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="faces to leave out"):
        check_options(Options(excluded=text))


@pytest.mark.parametrize("sure", [0, -0.1, 1.01, float("nan"), float("inf")])
def test_how_sure_nobody_can_be(sure: float) -> None:
    with pytest.raises(UsageError, match="sure must be"):
        check_options(Options(sure=sure))


@pytest.mark.parametrize("strength", [-0.01, 1.01, 4, float("nan"), float("inf")])
def test_a_strength_that_is_not_on_the_dial(strength: float) -> None:
    for method in (None, "blur"):
        with pytest.raises(UsageError, match=f"strength must be between 0 and 1, not {strength:g}$"):
            check_options(Options(strength=strength, method=method))


@pytest.mark.parametrize("strength", [0, 0.0, 0.5, 1])
def test_a_strength_on_the_dial(strength: float) -> None:
    for profile in ("stranger", "paper"):
        check_options(Options(strength=strength, profile=profile))


def problem_of(options: Options) -> str:
    try:
        check_options(options)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "options", [Options(faces="9" * 5000), Options(excluded="9" * 5000), Options(faces="?1000000")]
)
def test_a_number_that_no_photo_has_is_refused(options: Options) -> None:
    assert problem_of(options).startswith("faces ")


@given(st.text(alphabet="0123456789,?al -.@largest"))
def test_whatever_is_written_is_read_or_refused_as_it_was_typed(text: str) -> None:
    for options in (Options(faces=text), Options(excluded=text), Options(boxes=(text,))):
        assert (problem := problem_of(options)) == "" or text in problem


@given(
    st.lists(st.integers(-500, 500), min_size=2, max_size=2, unique=True),
    st.lists(st.floats(-500, 500, allow_nan=False), min_size=2, max_size=2, unique=True),
    st.sampled_from([("", None), ("@0", 0), ("@90", 1), ("@180", 2), ("@270", 3), (" @ 90 ", 1)]),
)
def test_a_box_is_read_as_it_is_written(columns, rows, at) -> None:
    (x0, x1), (y0, y1) = sorted(columns), sorted(rows)
    suffix, turn = at
    assert hand_boxes(Options(boxes=(f"{x0},{y0!r}, {x1},{y1!r}{suffix}",))) == [HandBox((x0, y0, x1, y1), turn)]
    with pytest.raises(UsageError, match="a box goes from"):
        hand_boxes(Options(boxes=(f"{x1},{y0!r},{x0},{y1!r}{suffix}",)))


@pytest.mark.parametrize(
    "text",
    ["", "1,2,3", "1,2,3,4,5", "1;2;3;4", "a,b,c,d", "1,2,3,4@", "1,2,3,4@45", "1,2,3,4@-90", "1,2,3,4@90@90", "@90",
     "1,2,1,4", "1,2,3,2", "nan,0,1,1", "0,0,inf,1", "-inf,0,1,1"],
)  # fmt: skip
def test_boxes_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="a box"):
        check_options(Options(boxes=("0,0,1,1", text)))


def test_what_points_at_places_is_of_one_photo() -> None:
    assert is_of_one_photo(Options(boxes=("0,0,1,1",)))
    assert is_of_one_photo(Options(faces="all,?1"))
    assert not is_of_one_photo(Options(faces="1,2", excluded="2"))
