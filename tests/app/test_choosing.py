"""What is chosen in a photo: names, options, and the order of a result."""

from pathlib import Path

import pytest

from deid.app import choosing
from deid.app.handlers import FoundPhoto, names_and_numbers
from deid.errors import UsageError
from deid.faces.face import Face
from deid.protection.options import check_options, chosen_faces, chosen_possible, hand_boxes
from deid.types import Options

BOXES, POSSIBLE = ((10.0, 10.0, 50.0, 60.0), (60.0, 10.0, 90.0, 50.0)), ((20.0, 70.0, 40.0, 95.0), (1.0, 2.0, 9.0, 9.0))
DRAWN = ("100,10,140,60", "100,70,140,95@90")


def photo(drawn: tuple[str, ...] = DRAWN, boxes: tuple[choosing.Box, ...] = BOXES) -> FoundPhoto:
    here = Path()
    return FoundPhoto(here, here, "a", ".png", here, here, 0.5, (150, 100), boxes, POSSIBLE, drawn)


@pytest.mark.parametrize(
    ("keys", "faces", "possible", "boxes"),
    [
        (["1", "2"], [0, 1], [], 0),
        (["2"], [1], [], 0),
        (["?2", "1"], [0], [1], 0),
        (["?1"], [], [0], 0),
        ([DRAWN[1]], [], [], 1),
        ([DRAWN[1], "?2", "?1", "2", DRAWN[0]], [1], [0, 1], 2),
        (["1", "7", "?9", "9,9,99,99"], [0], [], 0),  # a page may ask for anything
    ],
)
def test_the_options_ask_for_what_was_chosen(
    keys: list[str], faces: list[int], possible: list[int], boxes: int
) -> None:
    options = choosing.asked_for(photo(), keys, Options(k_level=3))
    check_options(options)
    assert options.k_level == 3
    here = [Face(box, None, 1.0) for box in BOXES]  # type: ignore[arg-type]
    assert chosen_faces(options, here) == faces
    assert chosen_possible(options, here) == possible
    assert len(hand_boxes(options)) == boxes


def test_a_result_s_faces_keep_the_names_they_were_chosen_by() -> None:
    keys = [DRAWN[1], "2", "?2"]
    assert choosing.in_result(photo(), keys) == ["1", "2", "?2", DRAWN[1]]
    assert names_and_numbers(photo(), keys) == (("1", "2", "3 (possible face ?2)", "4 (drawn 2)"), (2, 3, 4))
    assert [choosing.name(photo(), key) for key in choosing.in_order(photo(), keys)] == [
        "face 2",
        "possible face ?2",
        "drawn 2",
    ]
    assert choosing.left_possible(photo(), keys) == 1


def test_a_box_by_hand_may_begin_at_any_corner_and_ends_in_the_photo() -> None:
    for corners in (((100, 20), (170, 60)), ((170, 60), (100, 20)), ((170, 20), (100, 60))):
        changed, key = choosing.with_drawn(photo(()), corners, "@180")
        assert key == "100,20,150,60@180"
        assert changed.drawn == (key,)
        assert choosing.places(changed)[key] == (100, 20, 150, 60)
        (box,) = hand_boxes(choosing.asked_for(changed, [key], Options()))
        assert (box.box, box.turn) == ((100, 20, 150, 60), 2)
    assert choosing.with_drawn(changed, corners, "@180")[0] is changed
    for corners in (((10, 10), (14, 90)), ((200, 20), (300, 60))):
        with pytest.raises(UsageError, match="at least 8 pixels"):
            choosing.with_drawn(photo(), corners, "")


def test_edges_are_four_whole_numbers() -> None:
    assert choosing.corners_in(" 1, 2,30 40") == ((1, 2), (30, 40))
    for text in ("", "1,2,3", "1,2,3,4,5", "a,b,c,d", "1,2,nan,4", "<b>"):
        with pytest.raises(UsageError, match="four whole numbers"):
            choosing.corners_in(text)


def test_a_drawn_box_at_a_found_face_is_noticed() -> None:
    changed, key = choosing.with_drawn(photo(()), ((12, 12), (50, 60)), "")
    assert choosing.same_place(changed, key) == "1"
    assert choosing.same_place(photo(), DRAWN[0]) is None


def test_a_drawn_box_left_out_is_gone() -> None:
    assert choosing.without_drawn(photo(), [*DRAWN, "1"]) == photo()
    kept = choosing.without_drawn(photo(), [DRAWN[1]])
    assert kept.drawn == DRAWN[1:]
    assert choosing.name(kept, DRAWN[1]) == "drawn 1"
