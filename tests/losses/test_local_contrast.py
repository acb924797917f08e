import numpy as np
import pytest
import torch
from pytorch_msssim import ssim

from deid.faces.align import align_face
from deid.faces.detect import detect_faces
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.losses.local_contrast import tolerance


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> torch.Tensor:
    return align_face(astronaut, detect_faces(astronaut)[0].landmarks, LIGHTCNN_TEMPLATE)[None]


def test_structure_bears_more_than_flat_skin() -> None:
    flat_and_striped = torch.full((1, 1, 64, 64), 0.5)
    flat_and_striped[..., 32:] += 0.2 * (torch.arange(32) % 2 - 0.5)
    weights = tolerance(flat_and_striped)
    assert weights.shape == flat_and_striped.shape
    assert float(weights.mean()) == pytest.approx(1, abs=1e-5)
    # In full, the ratio would be (2 · 0.1² + 0.03²) / 0.03²; its square root is used.
    assert float(weights[0, 0, 32, 48] / weights[0, 0, 32, 16]) == pytest.approx((0.0209 / 0.0009) ** 0.5, rel=0.02)


def test_a_picture_of_one_color_bears_the_same_everywhere() -> None:
    assert torch.allclose(tolerance(torch.full((2, 3, 20, 20), 0.3)), torch.ones(2, 3, 20, 20), atol=1e-3)


def test_noise_laid_where_it_is_borne_costs_less_ssim(face: torch.Tensor) -> None:
    noise = torch.randn(face.shape, generator=torch.Generator().manual_seed(0))
    weighted = noise * tolerance(face).sqrt()
    costs = []
    for n in (noise, weighted):
        perturbed = face + 0.02 * n / n.square().mean().sqrt()
        costs.append(1 - ssim(face, perturbed, data_range=1, win_size=7).item())
    assert costs[1] < 0.9 * costs[0]
