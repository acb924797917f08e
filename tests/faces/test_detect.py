import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.faces.detect import Detected, _distinct, detect, detect_again, detect_faces, same_face
from deid.faces.face import Face, overlap, scaled
from deid.faces.mtcnn import mtcnn
from deid.faces.orientation import angle_of, turned_back


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:240, 90:350])


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


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((9, 52, 75, 119), 1),  # the lower half of the face
        ((40, 0, 120, 128), 2),  # a face in front of it
        ((30, 60, 50, 90), 2),  # one printed on something before the face
    ],
)
def test_a_part_of_a_face_is_no_second_one(box: tuple[float, ...], kept: int) -> None:
    points = np.zeros((5, 2))
    whole, other = Face((0, 0, 81, 128), points, 0.99), Face(box, points, 0.6)  # type: ignore[arg-type]
    assert len(_distinct([other, whole])) == kept
    assert _distinct([other, whole])[0] is whole


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


@pytest.mark.parametrize("turn", range(4))
def test_a_face_is_found_whichever_way_up_and_its_landmarks_are_the_right_way_up(
    portrait: np.ndarray, turn: int
) -> None:
    (upright,) = detect_faces(portrait)
    (face,) = detect_faces(np.ascontiguousarray(np.rot90(portrait, turn)))
    back = turned_back(face, turn, *portrait.shape[:2])
    assert overlap(back.box, upright.box) > 0.6
    assert np.abs(back.landmarks - upright.landmarks).max() < 0.05 * (upright.box[2] - upright.box[0])


def test_an_upright_face_keeps_mtcnn_s_landmarks(portrait: np.ndarray) -> None:
    (face,), ((known,),) = detect_faces(portrait), mtcnn(portrait[None])
    assert np.array_equal(face.landmarks, known.landmarks)
    assert face.box == known.box


def test_a_sideways_face_beside_an_upright_one_is_found_as_well(portrait: np.ndarray) -> None:
    side = np.full((260, 260, 3), 128, np.uint8)
    side[:, :240] = np.rot90(portrait)
    upright = np.full((260, 260, 3), 128, np.uint8)
    upright[:240] = portrait
    first, second = detect_faces(np.concatenate([upright, side], 1))
    assert abs(angle_of(first.landmarks)) < 0.3
    assert abs(angle_of(second.landmarks)) == pytest.approx(math.pi / 2, abs=0.3)


def test_half_a_face_at_the_edge_is_found_and_its_box_ends_there(portrait: np.ndarray) -> None:
    (known,) = detect_faces(portrait)
    middle = round((known.box[0] + known.box[2]) / 2)
    (half,) = detect_faces(np.ascontiguousarray(portrait[:, :middle]))
    assert half.box[2] <= middle
    assert overlap(half.box, (*known.box[:2], middle, known.box[3])) > 0.5


@pytest.mark.parametrize("turn", [0, 1])
def test_a_face_of_24_pixels_in_a_large_photo_is_found_with_landmarks_in_full_detail(
    portrait: np.ndarray, turn: int
) -> None:
    small = Image.fromarray(portrait).resize((78, 72), Image.Resampling.BOX).rotate(90 * turn, expand=True)
    photo = Image.new("RGB", (3000, 2000), (120, 118, 110))
    photo.paste(small, (2200, 900))
    (known,) = detect_faces(np.asarray(small))
    (face,) = detect_faces(np.asarray(photo))
    assert np.abs(face.landmarks - (2200, 900) - known.landmarks).max() < 1.5
    (again,) = detect_again(np.asarray(photo), [face])
    assert again is not None
    assert np.abs(again.landmarks - face.landmarks).max() < 0.5
    assert detect_again(np.full((2000, 3000, 3), 120, np.uint8), [face]) == [None]


def test_what_is_searched_in_pieces_is_found_once(portrait: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = detect(np.concatenate([portrait, portrait], axis=1))
    monkeypatch.setattr("deid.faces.detect.TILE", 240)
    monkeypatch.setattr("deid.faces.detect.TILES_SHARE", 160)
    in_pieces = detect(np.concatenate([portrait, portrait], axis=1))
    assert len(in_pieces.faces) == len(whole.faces) == 2
    for face, known in zip(in_pieces.faces, whole.faces, strict=True):
        assert np.abs(face.landmarks - known.landmarks).max() < 3


def test_what_no_detector_is_sure_of_is_a_possible_face(portrait: np.ndarray) -> None:
    sideways = np.ascontiguousarray(np.rot90(portrait))
    detected = detect(sideways, sure=0.99)
    assert detected.faces == ()
    (possible,) = detected.possible
    assert 0.5 < possible.probability < 0.99
    assert detect(sideways, sure=0.5).possible == ()


def test_where_there_is_no_face_none_is_found() -> None:
    rng = np.random.default_rng(0)
    assert detect(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)) == Detected()
    assert detect(np.full((10, 300, 3), 90, np.uint8)) == Detected()


@pytest.mark.shared_data
def test_it_finds_faces_in_real_photos(shared_data: Path) -> None:
    photos = sorted((shared_data / "lfw").glob("*/*_0001.jpg"))[::400]
    found = [detect_faces(np.asarray(Image.open(photo).convert("RGB"))) for photo in photos]
    assert sum(bool(faces) for faces in found) >= len(photos) - 1
