import numpy as np
import pytest
import torch

from deid.faces.align import align_face
from deid.faces.chain import FaceChain, View
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.paste import paste
from deid.faces.templates import DLIB_TEMPLATE, LIGHTCNN_TEMPLATE

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def face() -> Face:
    from skimage.data import astronaut

    return detect_faces(np.asarray(astronaut()))[0]


def pattern(channels: int, side: int) -> torch.Tensor:
    wave = torch.sin(torch.arange(side) / 5)
    return 0.08 * (wave[:, None] * wave[None]).expand(1, channels, side, side).contiguous()


@pytest.mark.parametrize("template", [LIGHTCNN_TEMPLATE, DLIB_TEMPLATE])
def test_the_chain_predicts_the_pasted_photo_exactly(astronaut: np.ndarray, face: Face, template: object) -> None:
    chain = FaceChain([astronaut], [face.landmarks], template, CPU)
    noise = pattern(template.channels, template.size)
    expected, owner = chain.faces(noise, torch.tensor([0]))
    pasted = astronaut.copy()
    paste(pasted, noise[0], chain.transforms[0], chain.patches[0].region)
    assert owner.tolist() == [0]
    assert torch.allclose(align_face(pasted, face.landmarks, template), expected[0], atol=1e-5)
    assert np.any(pasted != astronaut)


def test_nothing_outside_the_frame_changes(astronaut: np.ndarray, face: Face) -> None:
    chain = FaceChain([astronaut], [face.landmarks], LIGHTCNN_TEMPLATE, CPU)
    pasted = astronaut.copy()
    paste(pasted, pattern(1, 128)[0], chain.transforms[0], chain.patches[0].region)
    rows, columns = np.mgrid[:512, :512]
    transform = chain.transforms[0]
    aligned = np.stack([columns, rows, np.ones_like(rows)], -1) @ transform.T
    outside = (aligned < 0).any(-1) | (aligned > 127).any(-1)
    assert np.array_equal(pasted[outside], astronaut[outside])
    assert np.mean(pasted[~outside] != astronaut[~outside]) > 0.5


def test_zero_noise_changes_nothing_and_gray_stays_gray(astronaut: np.ndarray, face: Face) -> None:
    for pixels in (astronaut, astronaut[:, :, 1].copy()):
        chain = FaceChain([pixels], [face.landmarks], DLIB_TEMPLATE, CPU)
        same = pixels.copy()
        paste(same, torch.zeros(3, 150, 150), chain.transforms[0], chain.patches[0].region)
        assert np.array_equal(same, pixels)
        pasted = pixels.copy()
        paste(pasted, pattern(3, 150)[0], chain.transforms[0], chain.patches[0].region)
        expected, _ = chain.faces(pattern(3, 150), torch.tensor([0]))
        assert torch.allclose(align_face(pasted, face.landmarks, DLIB_TEMPLATE), expected[0], atol=1e-5)


def test_a_large_face_survives_its_way_through_the_full_resolution(astronaut: np.ndarray, face: Face) -> None:
    from PIL import Image

    large = np.asarray(Image.fromarray(astronaut).resize((3072, 3072), Image.Resampling.BICUBIC))
    landmarks = (face.landmarks + 0.5) * 6 - 0.5
    chain = FaceChain([large], [landmarks], LIGHTCNN_TEMPLATE, CPU)
    pasted = large.copy()
    paste(pasted, pattern(1, 128)[0], chain.transforms[0], chain.patches[0].region)
    expected, _ = chain.faces(pattern(1, 128), torch.tensor([0]))
    found = align_face(pasted, landmarks, LIGHTCNN_TEMPLATE)
    clean = align_face(large, landmarks, LIGHTCNN_TEMPLATE)
    assert float((found - expected[0]).abs().mean()) < 0.1 * float((found - clean).abs().mean())


def test_views_keep_the_original_and_the_last_three(astronaut: np.ndarray, face: Face) -> None:
    chain = FaceChain([astronaut], [face.landmarks], LIGHTCNN_TEMPLATE, CPU)
    original = chain.views[0][0]
    for shift in range(1, 6):
        chain.add_view(0, View(face.landmarks + shift))
    assert len(chain.views[0]) == 4
    assert chain.views[0][0] is original
    seen, owner = chain.faces(torch.zeros(1, 1, 128, 128), torch.tensor([0]))
    assert owner.tolist() == [0] * 4
    assert torch.allclose(seen[-1], align_face(astronaut, face.landmarks + 5, LIGHTCNN_TEMPLATE), atol=1e-5)


def test_a_gradient_flows_from_what_the_recognizer_sees_to_the_perturbation(astronaut: np.ndarray, face: Face) -> None:
    chain = FaceChain([astronaut], [face.landmarks], LIGHTCNN_TEMPLATE, CPU)
    noise = torch.zeros(1, 1, 128, 128, requires_grad=True)
    seen, _ = chain.faces(noise, torch.tensor([0]))
    seen[0, 0, 64, 64].backward()
    assert noise.grad is not None
    assert float(noise.grad[0, 0, 60:69, 60:69].sum()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("where", [(-60, -50), (400, 380)])
def test_a_face_at_the_border_is_laid_on_what_there_is(astronaut: np.ndarray, face: Face, where: tuple) -> None:
    landmarks = face.landmarks - face.landmarks.mean(0) + np.maximum(where, 0) + (10, 10)
    chain = FaceChain([astronaut], [landmarks], LIGHTCNN_TEMPLATE, CPU)
    pasted = astronaut.copy()
    paste(pasted, pattern(1, 128)[0], chain.transforms[0], chain.patches[0].region)
    assert pasted.shape == astronaut.shape
    expected, _ = chain.faces(pattern(1, 128), torch.tensor([0]))
    assert torch.allclose(align_face(pasted, landmarks, LIGHTCNN_TEMPLATE), expected[0], atol=1e-5)


def test_nothing_is_laid_beyond_the_edge_of_the_photo_where_another_face_needs_more_room(
    astronaut: np.ndarray, face: Face
) -> None:
    at_the_edge = face.landmarks * (0.5, 0.5) + (505 - face.landmarks[:, 0].mean() / 2, 300)
    chain = FaceChain([astronaut] * 2, [face.landmarks, at_the_edge], LIGHTCNN_TEMPLATE, CPU)
    assert chain.size[1] > chain.patches[1].pixels.shape[2], "the photo ends within the batch's frame"
    pasted = astronaut.copy()
    paste(pasted, pattern(1, 128)[0], chain.transforms[1], chain.patches[1].region)
    seen, _ = chain.faces(pattern(1, 128), torch.tensor([1]))
    assert torch.allclose(seen[0], align_face(pasted, at_the_edge, LIGHTCNN_TEMPLATE), atol=1e-5)
