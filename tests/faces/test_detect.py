from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.faces.detect import detect_again, detect_faces, same_face
from deid.faces.face import Face, overlap, scaled


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


def face_at(*box: float) -> Face:
    return Face(box, np.zeros((5, 2)), 1.0)


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == overlap((0, 0, 10, 10), (-20, -20, -5, -5)) == 0


def test_the_same_face_is_the_one_that_overlaps_most_and_enough() -> None:
    original = face_at(0, 0, 10, 10)
    shifted, far = face_at(2, 0, 12, 10), face_at(20, 20, 30, 30)
    assert same_face(original, [far, shifted, face_at(5, 0, 15, 10)]) is shifted
    assert same_face(original, [far, face_at(6, 0, 16, 10)]) is None
    assert same_face(original, []) is None


def test_a_face_is_found_again_where_it_was_and_a_hidden_one_is_not(astronaut: np.ndarray) -> None:
    pair = np.concatenate([astronaut, astronaut], axis=1)
    faces = detect_faces(pair)
    changed = pair.copy()
    changed[:, 512:] = 127
    left, right = detect_again(changed, faces)
    assert left is not None
    assert left.landmarks == pytest.approx(faces[0].landmarks, abs=1)
    assert right is None
    assert detect_again(changed, []) == []


def test_a_scaled_face_lies_where_it_does_in_the_scaled_picture() -> None:
    face = Face((1, 2, 3, 4), np.full((5, 2), 9.5), 0.99)
    larger = scaled(face, 2, 3)
    assert larger.box == (2, 6, 6, 12)
    assert np.array_equal(larger.landmarks, np.tile([19.5, 29.5], (5, 1)))  # a pixel's center stays a center
    assert larger.probability == face.probability


@pytest.mark.shared_data
def test_it_finds_faces_in_real_photos(shared_data: Path) -> None:
    photos = sorted((shared_data / "lfw").glob("*/*_0001.jpg"))[::400]
    found = [detect_faces(np.asarray(Image.open(photo).convert("RGB"))) for photo in photos]
    assert sum(bool(faces) for faces in found) >= len(photos) - 1
