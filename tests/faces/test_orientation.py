"""Which way up a face is: the geometry by hand."""

import math

import numpy as np
import pytest

from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.orientation import (
    LOOKS_UPRIGHT,
    angle_of,
    misfit,
    quarters_of,
    turned_back,
    upright_in,
    upright_scores,
)
from deid.faces.templates import MOBILEFACENET_TEMPLATE

UPRIGHT = np.array(MOBILEFACENET_TEMPLATE.points)


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
        back = turned_back(face, turn, height, width)
        assert np.array_equal(back.landmarks[0], (x, y))
        assert back.box == pytest.approx((x - 0.5, y - 0.5, x + 0.5, y + 0.5))


@pytest.mark.parametrize("turn", range(4))
def test_an_upright_alignment_of_a_face_scores_high_and_any_other_low(astronaut: np.ndarray, turn: int) -> None:
    photo = np.ascontiguousarray(np.rot90(astronaut[:240, 90:350], turn))
    (face,) = detect_faces(photo)
    center = face.landmarks.mean(0)
    width = face.box[2] - face.box[0]
    wrong = [center + (face.landmarks - center) @ matrix for matrix in _QUARTERS]
    right, *others = upright_scores(photo, [face.landmarks, *wrong, face.landmarks + 0.6 * width])
    assert right > 0.6
    assert max(others) < LOOKS_UPRIGHT


_QUARTERS = [np.array(matrix, float) for matrix in (((0, -1), (1, 0)), ((-1, 0), (0, -1)), ((0, 1), (-1, 0)))]


def test_nothing_is_no_face(astronaut: np.ndarray) -> None:
    assert upright_scores(np.full((80, 80), 127, np.uint8), [UPRIGHT * 0.5]) == [0.0]
    assert upright_scores(astronaut, []) == []


@pytest.mark.parametrize("turn", range(4))
def test_guessed_landmarks_are_turned_as_told(turn: int) -> None:
    landmarks = upright_in((10, 20, 110, 120), turn)
    assert landmarks.mean(0) == pytest.approx((60, 70), abs=8)
    assert misfit(landmarks) < 0.15
    picture_turned = -math.pi / 2 * turn  # what a turn by so many quarters has to undo
    assert math.remainder(angle_of(landmarks) - picture_turned, math.tau) == pytest.approx(0, abs=0.05)
    assert quarters_of(landmarks) == turn
