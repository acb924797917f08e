import numpy as np
import pytest
import torch

from deid.faces.align import to_luma
from deid.faces.templates import DLIB_TEMPLATE, LIGHTCNN_TEMPLATE, MOBILEFACENET_TEMPLATE
from deid.training.augment import aligned_view, bent, blended, erased, light, mirror, student_view, tinted
from deid.training.data import CROP, MARGIN, FaceSet, crops_of


def test_teacher_and_student_look_at_the_same_face(faces: FaceSet) -> None:
    crops, landmarks = crops_of(faces, np.arange(4))
    rng = np.random.default_rng(0)
    # LightCNN's view is the middle of the crop, as it was cut.
    inner = to_luma(crops[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN])
    assert torch.allclose(aligned_view(crops, landmarks, LIGHTCNN_TEMPLATE), inner, atol=1e-3)
    assert aligned_view(crops, landmarks, DLIB_TEMPLATE).shape == (4, 3, 150, 150)
    for template, side in ((LIGHTCNN_TEMPLATE, 64), (LIGHTCNN_TEMPLATE, 128), (MOBILEFACENET_TEMPLATE, 84)):
        view = student_view(crops, landmarks, template, rng, side)
        assert view.shape == (4, template.channels, side, side)
        assert float(view.min()) >= 0
        assert float(view.max()) <= 1
    lit = light(crops, rng)
    assert lit.shape == crops.shape
    assert not torch.equal(lit, crops)


def test_an_undisguised_view_is_nearer_to_the_plain_one(faces: FaceSet) -> None:
    crops, landmarks = crops_of(faces, np.arange(8))
    plain = aligned_view(crops, landmarks, LIGHTCNN_TEMPLATE)

    def away(disguised: bool) -> float:
        views = [
            student_view(crops, landmarks, LIGHTCNN_TEMPLATE, np.random.default_rng(seed), 128, disguised)
            for seed in range(4)
        ]
        return float((torch.stack(views) - plain).abs().mean())

    assert away(False) < away(True)


def test_mirroring_twice_is_nothing_and_swaps_the_eyes(faces: FaceSet) -> None:
    crops, landmarks = crops_of(faces, np.arange(2))
    chosen = np.array([True, False])
    once, points = mirror(crops, landmarks, chosen)
    assert points[0, 0, 0] == pytest.approx(CROP - 1 - landmarks[0, 1, 0])
    assert torch.equal(once[1], crops[1])
    twice, back = mirror(once, points, chosen)
    assert torch.equal(twice, crops)
    assert back == pytest.approx(landmarks)


def test_bent_faces_have_their_landmarks_where_they_went() -> None:
    """Eight black faces with white dots for landmarks: the dots move, the landmarks with them."""
    points = np.array([[75.0, 72], [117, 72], [96, 95], [80, 120], [112, 120]])
    crops = torch.zeros(8, 3, CROP, CROP)
    for x, y in points.astype(int):
        crops[:, :, y - 2 : y + 3, x - 2 : x + 3] = 1
    faces, landmarks = bent(crops, np.stack([points] * 8), np.random.default_rng(0))
    assert faces.shape == crops.shape
    assert np.abs(landmarks - points).max() > 2
    for face, found in zip(faces, landmarks, strict=True):
        columns, rows = found.round().astype(int).T
        assert float(face[0, rows, columns].min()) > 0.9


def test_a_blended_face_is_one_person_here_and_the_other_there() -> None:
    """Of a black and a white picture, one with its landmarks 10 pixels to the right."""
    points = np.array([[[75.0, 72], [117, 72], [96, 95], [80, 120], [112, 120]]] * 16)
    black, white = torch.zeros(16, 3, CROP, CROP), torch.ones(16, 3, CROP, CROP)
    blends, landmarks = blended(black, points, white, points + np.array([10, 0]), np.random.default_rng(0))
    assert blends.shape == black.shape
    assert float(blends.flatten(1).std(1).mean()) > 0.2
    assert 0.4 < float(blends.mean()) < 0.6
    for blend, before, found in zip(blends, points, landmarks, strict=True):
        columns, rows = (before + np.array([5, 0])).round().astype(int).T
        assert found == pytest.approx(before + 10 * blend[:2, rows, columns].numpy().T * (1, 0), abs=1e-4)
    same, where = blended(white, points, white, points, np.random.default_rng(0))
    assert torch.allclose(same, white)
    assert where == pytest.approx(points)


def test_a_tint_changes_colors_and_leaves_gray_as_light_as_it_was() -> None:
    generator = torch.Generator().manual_seed(0)
    gray = torch.rand(4, 1, 8, 8, generator=generator).expand(-1, 3, -1, -1)
    assert torch.allclose(to_luma(tinted(gray, np.random.default_rng(0))), gray[:, :1], atol=1e-5)
    colored = torch.rand(4, 3, 8, 8, generator=generator)
    lumas = to_luma(tinted(colored, np.random.default_rng(0)))
    assert float((lumas - to_luma(colored)).abs().mean()) > 0.02


def test_a_rectangle_is_missing_from_some_faces_only() -> None:
    faces = torch.rand(200, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    shown = erased(faces, np.random.default_rng(0))
    changed = (shown != faces).flatten(1).float().mean(1)
    assert 0.2 < float((changed > 0).float().mean()) < 0.4
    assert float(changed.max()) < 0.17  # 0.4² of the face at most
    of_one = shown[changed.argmax()]
    assert len(of_one[of_one != faces[changed.argmax()]].unique()) == 1
