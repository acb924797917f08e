from dataclasses import replace

import numpy as np
import pytest
import torch

from deid.faces.align import LUMA, align_face, to_luma, transform_to
from deid.faces.chain import FaceChain, View
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.paste import DARK, paste, tint
from deid.faces.templates import DLIB_TEMPLATE, LIGHTCNN_TEMPLATE

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def face() -> Face:
    from skimage.data import astronaut

    return detect_faces(np.asarray(astronaut()))[0]


def pattern(side: int) -> torch.Tensor:
    """A perturbation of luma."""
    wave = torch.sin(torch.arange(side) / 5)
    return 0.08 * (wave[:, None] * wave[None]).expand(1, 1, side, side).contiguous()


@pytest.mark.parametrize("template", [LIGHTCNN_TEMPLATE, DLIB_TEMPLATE])
def test_the_chain_predicts_the_pasted_photo_exactly(astronaut: np.ndarray, face: Face, template: object) -> None:
    chain = FaceChain([astronaut], [face.landmarks], template, CPU)
    noise = pattern(template.size)
    expected, owner = chain.faces(noise, torch.tensor([0]))
    pasted = astronaut.copy()
    paste(pasted, noise[0], chain.transforms[0], chain.patches[0].region)
    assert owner.tolist() == [0]
    assert torch.allclose(align_face(pasted, face.landmarks, template), expected[0], atol=1e-5)
    assert np.any(pasted != astronaut)


def test_nothing_outside_the_frame_changes(astronaut: np.ndarray, face: Face) -> None:
    chain = FaceChain([astronaut], [face.landmarks], LIGHTCNN_TEMPLATE, CPU)
    pasted = astronaut.copy()
    paste(pasted, pattern(128)[0], chain.transforms[0], chain.patches[0].region)
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
        paste(same, torch.zeros(1, 150, 150), chain.transforms[0], chain.patches[0].region)
        assert np.array_equal(same, pixels)
        pasted = pixels.copy()
        paste(pasted, pattern(150)[0], chain.transforms[0], chain.patches[0].region)
        expected, _ = chain.faces(pattern(150), torch.tensor([0]))
        assert torch.allclose(align_face(pasted, face.landmarks, DLIB_TEMPLATE), expected[0], atol=1e-5)
        assert pasted.shape == pixels.shape


def test_where_all_colors_are_alike_the_pattern_is_laid_as_it_is(face: Face) -> None:
    """In color as in gray: each pixel changes by the perturbation, within the mask that fades at the frame's edge."""
    gray = np.full((400, 400), 120, np.uint8)
    transform, region = transform_to(LIGHTCNN_TEMPLATE, face.landmarks), (0, 0, 400, 400)
    colored = np.repeat(gray[:, :, None], 3, 2)
    for pixels in (gray, colored):
        paste(pixels, pattern(128)[0], transform, region)
    assert np.array_equal(colored, np.repeat(gray[:, :, None], 3, 2))
    change = align_face(gray, face.landmarks, LIGHTCNN_TEMPLATE) - 120 / 255
    middle = slice(20, -20)
    assert torch.allclose(change[0, middle, middle], pattern(128)[0, 0, middle, middle], atol=1.5 / 255)


SKIN, SHIRT, SKY, NIGHT = (214, 162, 130), (20, 60, 160), (120, 170, 200), (4, 2, 9)


@pytest.mark.parametrize("color", [SKIN, SHIRT, SKY, NIGHT])
@pytest.mark.parametrize("change", [-0.06, 0.04, 0.1])
def test_hues_stay_and_luma_changes_by_the_perturbation(face: Face, color: tuple[int, ...], change: float) -> None:
    photo = np.full((400, 400, 3), color, np.uint8)
    before = photo[200, 200] / 255
    chain = FaceChain([photo], [face.landmarks], LIGHTCNN_TEMPLATE, CPU)
    noise = torch.full((1, 1, 128, 128), change)
    paste(photo, noise[0], chain.transforms[0], chain.patches[0].region)
    x, y = face.landmarks.mean(0).round().astype(int)
    after = photo[y, x] / 255
    half_a_level = 0.5 / 255
    not_cut = (after > 0) & (after < 1)
    # Light and shadow: every channel, and DARK beside it, becomes the same share of what it was.
    shares = (after + DARK) / (before + DARK)
    expected = 1 + change / (before @ LUMA + DARK)
    assert shares[not_cut] == pytest.approx(np.full(not_cut.sum(), expected), abs=half_a_level / DARK)
    if not_cut.all():
        assert after @ LUMA - before @ LUMA == pytest.approx(change, abs=half_a_level)
        ratios = (after + DARK) / (after + DARK).sum()
        assert ratios == pytest.approx((before + DARK) / (before + DARK).sum(), abs=2 * half_a_level)
    assert bool(not_cut.all()) == (color != NIGHT or change > 0)
    laid, _ = chain.faces(noise, torch.tensor([0]))
    assert float(laid[0, 0, 64, 64]) == pytest.approx(after @ LUMA, abs=1e-5), "as the chain has it"


def test_each_color_follows_in_its_share_of_the_luma() -> None:
    pixels = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    luma = to_luma(pixels)
    shares = tint(pixels, luma)
    assert torch.allclose(to_luma(shares), torch.ones_like(luma), atol=1e-6), "together they are the luma's change"
    assert torch.allclose(shares, (pixels + DARK) / (luma + DARK))
    assert torch.allclose(tint(luma, luma), torch.ones_like(luma)), "gray stays gray"
    gray = tint(np.full((4, 4), 0.3, np.float32), np.full((4, 4), 0.3, np.float32))
    assert np.allclose(gray, 1)


def test_the_chain_tells_where_the_landmarks_lie_in_the_perturbation_s_frame(astronaut: np.ndarray, face: Face) -> None:
    chain = FaceChain([astronaut] * 2, [face.landmarks, face.landmarks * 0.5 + 40], LIGHTCNN_TEMPLATE, CPU)
    for row in range(2):
        left_eye, right_eye, _, left_mouth, right_mouth = chain.landmarks(row)
        assert ((left_eye + right_eye) / 2).tolist() == pytest.approx([64, 40], abs=1e-6)
        assert float(left_eye[1]) == pytest.approx(float(right_eye[1]), abs=1e-6), "upright"
        mouth = (left_mouth + right_mouth) / 2
        assert float((mouth - torch.tensor([64.0, 40.0])).norm()) == pytest.approx(48, abs=1e-6)


def test_a_chain_shows_luma_of_clean_faces_and_of_other_versions(astronaut: np.ndarray, face: Face) -> None:
    template = replace(LIGHTCNN_TEMPLATE, channels=3)
    chain = FaceChain([astronaut], [face.landmarks], template, CPU)
    luma = align_face(astronaut, face.landmarks, LIGHTCNN_TEMPLATE)
    assert torch.allclose(chain.clean_faces()[0], luma, atol=1e-5)
    assert torch.allclose(chain.aligned(0, chain.patches[0].pixels), luma, atol=1e-5)
    seen, _ = chain.faces(torch.zeros(1, 1, 128, 128), torch.tensor([0]))
    assert seen.shape == (1, 3, 128, 128), "recognizers see what they are made for"


def test_a_large_face_survives_its_way_through_the_full_resolution(astronaut: np.ndarray, face: Face) -> None:
    from PIL import Image

    large = np.asarray(Image.fromarray(astronaut).resize((3072, 3072), Image.Resampling.BICUBIC))
    landmarks = (face.landmarks + 0.5) * 6 - 0.5
    chain = FaceChain([large], [landmarks], LIGHTCNN_TEMPLATE, CPU)
    pasted = large.copy()
    paste(pasted, pattern(128)[0], chain.transforms[0], chain.patches[0].region)
    expected, _ = chain.faces(pattern(128), torch.tensor([0]))
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
    paste(pasted, pattern(128)[0], chain.transforms[0], chain.patches[0].region)
    assert pasted.shape == astronaut.shape
    expected, _ = chain.faces(pattern(128), torch.tensor([0]))
    assert torch.allclose(align_face(pasted, landmarks, LIGHTCNN_TEMPLATE), expected[0], atol=1e-5)


def test_nothing_is_laid_beyond_the_edge_of_the_photo_where_another_face_needs_more_room(
    astronaut: np.ndarray, face: Face
) -> None:
    at_the_edge = face.landmarks * (0.5, 0.5) + (505 - face.landmarks[:, 0].mean() / 2, 300)
    chain = FaceChain([astronaut] * 2, [face.landmarks, at_the_edge], LIGHTCNN_TEMPLATE, CPU)
    assert chain.size[1] > chain.patches[1].pixels.shape[2], "the photo ends within the batch's frame"
    pasted = astronaut.copy()
    paste(pasted, pattern(128)[0], chain.transforms[1], chain.patches[1].region)
    seen, _ = chain.faces(pattern(128), torch.tensor([1]))
    assert torch.allclose(seen[0], align_face(pasted, at_the_edge, LIGHTCNN_TEMPLATE), atol=1e-5)
