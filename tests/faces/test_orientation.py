"""Which way up a face is: the geometry by hand."""

import math

import numpy as np
import pytest

from deid.faces.face import Face
from deid.faces.orientation import angle_of, misfit, turned_back
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
