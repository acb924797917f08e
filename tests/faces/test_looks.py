"""Where other programs find a face: on real photos, any way up, and the choice of looks by hand."""

import numpy as np
import pytest
from PIL import Image

from deid.faces.detect import detect_faces
from deid.faces.looks import CUT_OUT, extremes, looks_at
from deid.faces.mtcnn import mtcnn

WIDTHS = 0.1  # of a face: so far two detectors' landmarks may lie apart


@pytest.fixture(scope="module")
def portrait(astronaut: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(astronaut[:240, 90:350])


@pytest.mark.parametrize("turn", range(4))
def test_both_detectors_find_it_whichever_way_up_in_the_photo_and_cut_out(portrait: np.ndarray, turn: int) -> None:
    turned = np.ascontiguousarray(np.rot90(portrait[:200], turn))
    (face,) = detect_faces(turned)
    (looks,) = looks_at(turned, [face])
    cuts = [f", cut out with {margin:.0%} around" for margin in CUT_OUT]
    assert set(looks) == {f"{detector}{cut}" for detector in ("MTCNN", "CenterFace") for cut in ("", *cuts)}
    width = face.box[2] - face.box[0]
    for name, landmarks in looks.items():
        assert np.abs(landmarks - face.landmarks).max() < WIDTHS * width, name


def test_a_large_photo_is_looked_at_in_smaller_ones_and_each_look_is_that_of_a_whole_search(
    portrait: np.ndarray,
) -> None:
    photo = Image.new("RGB", (3000, 1600), (120, 118, 110))
    photo.paste(Image.fromarray(portrait).resize((520, 480), Image.Resampling.BICUBIC), (1700, 700))
    pixels = np.asarray(photo)
    (face,) = detect_faces(pixels)
    (looks,) = looks_at(pixels, [face])
    assert {"MTCNN at 2,048 pixels", "CenterFace at 1,024 pixels"} < set(looks)
    assert "MTCNN at 4,096 pixels" not in looks, "the photo is smaller"
    small = np.asarray(photo.resize((1024, round(1600 * 1024 / 3000)), Image.Resampling.BOX))
    ((whole,),) = mtcnn(small[None])
    scale = 3000 / 1024
    assert np.abs(looks["MTCNN at 1,024 pixels"] - ((whole.landmarks + 0.5) * scale - 0.5)).max() < 1.5 * scale


def test_only_the_photo_s_own_size_where_that_is_asked(portrait: np.ndarray) -> None:
    gray = portrait.mean(2).astype(np.uint8)
    (looks,) = looks_at(gray, detect_faces(gray), sides=(), cut_out=False)
    assert set(looks) == {"MTCNN", "CenterFace"}


def test_a_tilted_face_is_looked_at_in_both_turns_in_which_detectors_see_it(portrait: np.ndarray) -> None:
    tilted = np.asarray(Image.fromarray(portrait).rotate(50, fillcolor=(120, 118, 110)))
    (face,) = detect_faces(tilted)
    (looks,) = looks_at(tilted, [face], sides=(), cut_out=False)
    assert "CenterFace" in looks
    assert "CenterFace, turned the other way" in looks


def test_a_face_that_is_gone_is_found_by_nobody(portrait: np.ndarray) -> None:
    assert looks_at(np.full_like(portrait, 127), detect_faces(portrait)) == [{}]
    assert looks_at(portrait, []) == []


def test_the_extremes_are_those_that_lie_farthest_from_the_own_look_and_from_one_another() -> None:
    own = np.array([[30.0, 30], [70, 30], [50, 50], [34, 70], [66, 70]])
    looks = {name: own + value for name, value in {"a": 1.0, "b": 5.0, "c": 4.9, "d": -3.0, "e": 0.0}.items()}
    assert list(extremes(own, looks, 2)) == ["b", "d"]
    assert list(extremes(own, looks, 9)) == ["b", "d", "a", "c"], "what is the own one is no other"
    assert list(extremes(own, looks | {"upside down": 100 - own}, 2)) == ["b", "d"]
    assert extremes(own, {}) == {}
