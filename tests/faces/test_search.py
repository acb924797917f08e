"""Faces any way up, cut off and side by side, on real photos; and the geometry by hand."""

import math

import numpy as np
import pytest

from deid.faces.detect import detect_faces
from deid.faces.face import Face, overlap
from deid.faces.search import _turned_back, angle_of, misfit, search
from deid.faces.templates import MOBILEFACENET_TEMPLATE

UPRIGHT = np.array(MOBILEFACENET_TEMPLATE.points)


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:240, 90:350])


@pytest.mark.parametrize("turn", range(4))
def test_a_face_is_found_whichever_way_up_and_its_landmarks_are_the_right_way_up(
    portrait: np.ndarray, turn: int
) -> None:
    (upright,) = detect_faces(portrait)
    (face,) = search(np.ascontiguousarray(np.rot90(portrait, turn)))
    back = _turned_back(face, turn, *portrait.shape[:2])
    assert overlap(back.box, upright.box) > 0.6
    assert np.abs(back.landmarks - upright.landmarks).max() < 0.15 * (upright.box[2] - upright.box[0])


def test_an_upright_face_keeps_mtcnn_s_landmarks(portrait: np.ndarray) -> None:
    (face,), (known,) = search(portrait), detect_faces(portrait)
    assert np.array_equal(face.landmarks, known.landmarks)
    assert face.box == known.box


def test_a_sideways_face_beside_an_upright_one_is_found_as_well(portrait: np.ndarray) -> None:
    side = np.full((260, 260, 3), 128, np.uint8)
    side[:, :240] = np.rot90(portrait)
    upright = np.full((260, 260, 3), 128, np.uint8)
    upright[:240] = portrait
    first, second = search(np.concatenate([upright, side], 1))
    assert abs(angle_of(first.landmarks)) < 0.3
    assert abs(angle_of(second.landmarks)) == pytest.approx(math.pi / 2, abs=0.3)


def test_half_a_face_at_the_edge_is_found(portrait: np.ndarray) -> None:
    (known,) = detect_faces(portrait)
    middle = round((known.box[0] + known.box[2]) / 2)
    assert len(search(np.ascontiguousarray(portrait[:, :middle]))) == 1


def test_where_there_is_no_face_none_is_found() -> None:
    rng = np.random.default_rng(0)
    assert search(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)) == []
    assert search(np.full((10, 300, 3), 90, np.uint8)) == []


@pytest.mark.parametrize("degrees", [-170, -90, -20, 0, 45, 120])
def test_turn_and_fit_of_landmarks_by_hand(degrees: float) -> None:
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    landmarks = 1.7 * UPRIGHT @ turn.T + (12, -5)
    assert math.degrees(math.remainder(angle_of(landmarks) + angle, math.tau)) == pytest.approx(0, abs=1e-6)
    assert misfit(landmarks) == pytest.approx(0, abs=1e-9)
    mirrored = landmarks[[1, 0, 2, 4, 3]]
    assert misfit(mirrored) > 0.5, "eyes and corners of the mouth exchanged fit no face"


def test_pixels_of_a_turned_picture_come_back_to_their_places() -> None:
    height, width, x, y = 50, 80, 27, 13
    picture = np.zeros((height, width))
    picture[y, x] = 1
    for turn in range(4):
        ((row, column),) = np.argwhere(np.rot90(picture, turn))
        face = Face((column - 0.5, row - 0.5, column + 0.5, row + 0.5), np.array([[column, row]] * 5, float), 1.0)
        back = _turned_back(face, turn, height, width)
        assert np.array_equal(back.landmarks[0], (x, y))
        assert back.box == pytest.approx((x - 0.5, y - 0.5, x + 0.5, y + 0.5))
