"""Which faces of a real photo are protected: the astronaut, lying, whom no detector is sure enough of."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deid.errors import UsageError
from deid.faces.detect import Detected, detect
from deid.images.photo import Photo
from deid.protection.choice import choose
from deid.protection.protector import Protector, load_protector
from deid.types import Options


@pytest.fixture(scope="module")
def lying(astronaut: np.ndarray) -> Photo:
    return Photo(np.ascontiguousarray(np.rot90(astronaut[:240, 90:350])))


@pytest.fixture(scope="module")
def detected(lying: Photo) -> Detected:
    return detect(lying.pixels, sure=0.99)


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(Options(sure=0.99, device="cpu"), further=())


def asked(protector: Protector, **options: Any) -> Protector:
    return replace(protector, options=replace(protector.options, **options))


def text_of(box: tuple[float, ...]) -> str:
    return ",".join(map(str, box))


def test_a_possible_face_is_left_and_told(lying: Photo, detected: Detected, protector: Protector) -> None:
    found, chosen, possible = choose(lying, protector)
    assert (found, chosen) == ([], [])
    assert [face.box for face in possible] == [face.box for face in detected.possible]


def test_it_is_a_face_where_less_is_asked_of_the_detector(lying: Photo, protector: Protector) -> None:
    found, chosen, possible = choose(lying, asked(protector, sure=0.5))
    assert (len(found), chosen, possible) == (1, [0], [])


@pytest.mark.parametrize("faces", ["?1", "all,?1"])
def test_a_possible_face_is_taken_in(lying: Photo, detected: Detected, protector: Protector, faces: str) -> None:
    (one,), chosen, possible = choose(lying, asked(protector, faces=faces))
    assert (chosen, possible) == ([0], [])
    assert one.face.box == detected.possible[0].box
    assert float(one.embedding.norm()) == pytest.approx(1, abs=0.01)


def test_a_possible_face_that_is_not_there(lying: Photo, protector: Protector) -> None:
    with pytest.raises(UsageError, match=r"no possible face \?2: the photo has 1"):
        choose(lying, asked(protector, faces="?2"))


@pytest.mark.parametrize("at", ["", "@270"])
def test_a_box_around_it_is_a_face_and_no_possible_one_any_more(
    lying: Photo, detected: Detected, protector: Protector, at: str
) -> None:
    box = detected.possible[0].box
    (one,), chosen, possible = choose(lying, asked(protector, boxes=(text_of(box) + at,)))
    assert (chosen, possible) == ([0], [])
    assert one.face.box == pytest.approx(box)
    assert one.face.landmarks == pytest.approx(detected.possible[0].landmarks, abs=6)


def test_a_box_elsewhere_leaves_the_possible_face(lying: Photo, protector: Protector) -> None:
    found, chosen, possible = choose(lying, asked(protector, boxes=("5,5,40,50",)))
    assert (len(found), chosen, len(possible)) == (1, [0], 1)


def test_found_faces_come_before_possible_ones_and_these_before_boxes(
    astronaut: np.ndarray, lying: Photo, protector: Protector
) -> None:
    upright = np.full((260, 260, 3), 128, np.uint8)
    upright[:240] = astronaut[:240, 90:350]
    both = Photo(np.concatenate([lying.pixels, upright], axis=1))
    options = {"faces": "all,?1", "boxes": ("300,200,340,250",)}
    found, chosen, possible = choose(both, asked(protector, **options))
    assert (len(found), chosen, possible) == (3, [0, 1, 2], [])
    assert found[0].face.box[0] > 240 > found[1].face.box[2]
    assert found[2].face.box == (300, 200, 340, 250)
    assert choose(both, asked(protector, **options, excluded="1"))[1] == [1, 2]
    with pytest.raises(UsageError, match="no face 2: the photo has 1"):
        choose(both, asked(protector, **options | {"faces": "2,?1"}))


def test_a_box_over_the_photo_s_edge_is_what_of_it_is_in_the_photo(lying: Photo, protector: Protector) -> None:
    (one,), _, _ = choose(lying, asked(protector, boxes=("-30,-5,60,500",)))
    assert one.face.box == (0, 0, 60, 260)


@pytest.mark.parametrize("box", ["900,10,950,60", "-50,-60,-1,-1", "236,10,300,60", "10,10,17,60", "10,10,60,17.9"])
def test_a_box_outside_the_photo_or_too_small_is_refused(lying: Photo, protector: Protector, box: str) -> None:
    with pytest.raises(UsageError, match="too small, or not in the photo of 240×260"):
        choose(lying, asked(protector, boxes=(box,)))


@pytest.mark.parametrize("options", [{"faces": "1"}, {"faces": "all"}, {"sure": 0.99, "faces": "?1"}])
def test_a_face_chosen_by_number_and_by_a_box_is_refused(
    lying: Photo, detected: Detected, protector: Protector, options: dict[str, Any]
) -> None:
    around = text_of(detected.possible[0].box)
    with pytest.raises(UsageError, match=r"is around (possible )?face \??1, which is chosen as well"):
        choose(lying, asked(protector, **{"sure": 0.5} | options, boxes=(around,)))


def test_two_boxes_around_one_face_are_refused(lying: Photo, protector: Protector) -> None:
    with pytest.raises(UsageError, match="the box 10,10,51,50 is around the box 10,10,50,50"):
        choose(lying, asked(protector, boxes=("10,10,50,50", "10,10,51,50")))


@pytest.mark.parametrize("options", [{"faces": "7"}, {"excluded": "1"}])
def test_a_number_that_is_not_there_is_refused_beside_a_box(
    lying: Photo, protector: Protector, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="the photo has 0"):
        choose(lying, asked(protector, **options, boxes=("5,5,40,50",)))
    assert choose(lying, asked(protector, **options))[:2] == ([], []), "no face at all says more"


def test_a_box_replaces_a_face_that_is_left_out(lying: Photo, detected: Detected, protector: Protector) -> None:
    options = {"sure": 0.5, "excluded": "1", "boxes": (text_of(detected.possible[0].box),)}
    assert choose(lying, asked(protector, **options))[1] == [1]
