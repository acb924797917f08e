"""The face in a box that somebody drew."""

import numpy as np
import pytest

from deid.faces.detect import detect_faces, face_in
from deid.faces.face import overlap
from deid.faces.orientation import turned_back, upright_in


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:240, 90:350])


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("loose", [0.1, 0.8])
def test_it_is_found_whichever_way_up_and_however_loosely_it_was_drawn(
    portrait: np.ndarray, turn: int, told: bool, loose: float
) -> None:
    (upright,) = detect_faces(portrait)
    turned = np.ascontiguousarray(np.rot90(portrait, turn))
    drawn = turned_back(upright, -turn % 4, *turned.shape[:2])  # where the face is in the turned photo
    x0, y0, x1, y1 = drawn.box
    room = loose * (x1 - x0)
    face = face_in(turned, (x0 - room, y0 - 1.2 * room, x1 + 0.9 * room, y1 + 0.5 * room), -turn % 4 if told else None)
    assert face.probability > 0.5
    assert overlap(face.box, drawn.box) > 0.7, "its own box: looks of others are compared with it"
    assert np.abs(face.landmarks - drawn.landmarks).max() < 0.08 * (upright.box[2] - upright.box[0])


def test_a_gray_photo_is_as_good(portrait: np.ndarray) -> None:
    (upright,) = detect_faces(portrait)
    assert np.abs(face_in(portrait[:, :, 1], upright.box).landmarks - upright.landmarks).max() < 6


@pytest.mark.parametrize("turn", [None, 0, 1, 2, 3])
def test_where_nothing_is_seen_the_landmarks_are_guessed_as_told(turn: int | None) -> None:
    box = (40.0, 60.0, 140.0, 180.0)
    face = face_in(np.full((300, 200, 3), 128, np.uint8), box, turn)
    assert (face.box, face.probability) == (box, 0.0)
    assert np.array_equal(face.landmarks, upright_in(box, turn or 0))
    eyes, mouth = face.landmarks[:2].mean(0), face.landmarks[3:].mean(0)
    up = (eyes - mouth) / np.linalg.norm(eyes - mouth)
    expected = {0: (0, -1), 1: (1, 0), 2: (0, 1), 3: (-1, 0)}[turn or 0]  # where the top of the head points
    assert up == pytest.approx(expected, abs=0.01)


def test_the_face_next_to_the_box_is_not_taken_for_the_one_in_it(portrait: np.ndarray) -> None:
    (upright,) = detect_faces(portrait)
    x0, y0, x1, y1 = upright.box
    empty = (x0 - (x1 - x0) * 0.9, y0, x0 + (x1 - x0) * 0.1, y1)
    assert face_in(portrait, empty).probability < 0.25
