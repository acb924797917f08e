import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deid.faces.align import (
    align_face,
    compose,
    inverse,
    jittered,
    least_squares_similarity,
    lightcnn_transform,
    patch_around,
    scale_of,
    transform_to,
)
from deid.faces.detect import detect_faces
from deid.faces.templates import DLIB_TEMPLATE, LIGHTCNN_TEMPLATE

FACE = np.array([[40.0, 50], [80, 50], [60, 70], [45, 90], [75, 90]])


def moved(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    return points @ transform[:, :2].T + transform[:, 2]


similarities = st.builds(
    lambda angle, scale, x, y: np.array(
        [
            [scale * math.cos(angle), -scale * math.sin(angle), x],
            [scale * math.sin(angle), scale * math.cos(angle), y],
        ]
    ),
    st.floats(-3, 3),
    st.floats(0.2, 20),
    st.floats(-500, 500),
    st.floats(-500, 500),
)


@given(similarities)
def test_lightcnn_template_holds_wherever_the_face_lies(pose: np.ndarray) -> None:
    points = moved(FACE, pose)
    aligned = moved(points, lightcnn_transform(points))
    eyes, mouth = aligned[:2].mean(0), aligned[3:].mean(0)
    assert aligned[0, 1] == pytest.approx(aligned[1, 1], abs=1e-6)
    assert aligned[0, 0] < aligned[1, 0]
    assert eyes == pytest.approx((64, 40), abs=1e-6)
    assert math.dist(eyes, mouth) == pytest.approx(48)


@given(similarities)
def test_least_squares_recovers_a_similarity_and_inverse_undoes_it(pose: np.ndarray) -> None:
    found = least_squares_similarity(FACE, moved(FACE, pose))
    assert found == pytest.approx(pose, abs=1e-5 * max(1, abs(pose).max()))
    assert compose(inverse(pose), pose) == pytest.approx(np.array([[1, 0, 0], [0, 1, 0]]), abs=1e-6)


def test_a_face_without_height_gives_a_finite_transform() -> None:
    assert np.isfinite(lightcnn_transform(np.zeros((5, 2)))).all()
    assert np.isfinite(transform_to(DLIB_TEMPLATE, np.zeros((5, 2)))).all()


def test_a_face_aligns_alike_at_any_size_of_its_photo(astronaut: np.ndarray) -> None:
    from PIL import Image

    face = detect_faces(astronaut)[0]
    small = align_face(astronaut, face.landmarks, LIGHTCNN_TEMPLATE)
    large = np.asarray(Image.fromarray(astronaut).resize((2048, 2048), Image.Resampling.BICUBIC))
    big = align_face(large, (face.landmarks + 0.5) * 4 - 0.5, LIGHTCNN_TEMPLATE)
    assert small.shape == (1, 128, 128)
    assert float((small - big).abs().mean()) < 0.01


def test_a_patch_is_the_photos_own_pixels_and_ends_at_its_edge(astronaut: np.ndarray) -> None:
    transform = np.array([[1.0, 0, 30], [0, 1, 40]])  # the template passes the upper left corner
    patch = patch_around(astronaut, transform, 128)
    x0, y0, x1, y1 = patch.region
    assert (x0, y0) == (0, 0)
    assert scale_of(transform) == 1
    own = torch.from_numpy(astronaut[y0:y1, x0:x1].copy()).permute(2, 0, 1).float() / 255
    assert torch.equal(patch.pixels, own)


def test_gray_photos_align_for_both_kinds_of_recognizer(astronaut: np.ndarray) -> None:
    gray = astronaut[:, :, 0]
    assert align_face(gray, FACE, LIGHTCNN_TEMPLATE).shape == (1, 128, 128)
    assert align_face(gray, FACE, DLIB_TEMPLATE).shape == (3, 150, 150)


def test_jittered_landmarks_are_a_similarity_nearby() -> None:
    landmarks = np.array([[40.0, 40], [60, 40], [50, 50], [42, 60], [58, 60]])
    rng = np.random.default_rng(0)
    for _ in range(20):
        aside = jittered(landmarks, rng)
        distances = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (landmarks, aside)]
        ratio = distances[1][0, 1] / distances[0][0, 1]
        assert np.allclose(distances[1], ratio * distances[0])
        assert 0.87 < ratio < 1.13
        assert np.abs(aside.mean(0) - landmarks.mean(0)).max() <= 0.12 * 20 + 1e-9
