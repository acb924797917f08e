from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.faces.detect import detect_faces


def test_it_finds_the_astronaut_and_her_landmarks_in_order(astronaut: np.ndarray) -> None:
    (face,) = detect_faces(astronaut)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    x0, y0, x1, y1 = face.box
    assert x0 < nose[0] < x1
    assert y0 < nose[1] < y1


def test_a_large_photo_is_searched_reduced_and_answered_in_its_own_pixels(astronaut: np.ndarray) -> None:
    (face,) = detect_faces(astronaut)
    large = np.asarray(Image.fromarray(astronaut).resize((512 * 6, 512 * 6), Image.Resampling.BICUBIC))
    (big,) = detect_faces(large)
    assert big.landmarks / 6 == pytest.approx(face.landmarks, abs=2)


@pytest.mark.parametrize("shape", [(1, 1, 3), (19, 300, 3), (20, 20, 3), (21, 5000, 3), (64, 64), (300, 19, 3)])
def test_no_size_of_picture_crashes_and_a_flat_one_has_no_face(shape: tuple[int, ...]) -> None:
    assert detect_faces(np.full(shape, 128, np.uint8)) == []


def test_faces_are_numbered_left_to_right(astronaut: np.ndarray) -> None:
    pair = np.concatenate([astronaut, astronaut], axis=1)
    faces = detect_faces(pair)
    assert len(faces) == 2
    assert faces[0].box[0] < 512 < faces[1].box[0]


@pytest.mark.shared_data
def test_it_finds_faces_in_real_photos(shared_data: Path) -> None:
    photos = sorted((shared_data / "lfw").glob("*/*_0001.jpg"))[::400]
    found = [detect_faces(np.asarray(Image.open(photo).convert("RGB"))) for photo in photos]
    assert sum(bool(faces) for faces in found) >= len(photos) - 1
