import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deid.faces.align import Patch
from deid.faces.rehearsal import half_size_and_back, jpeg, rehearse
from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75


def tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean()) * 255


@pytest.mark.parametrize(("quality", "share"), [(50, 0.3), (75, 0.35), (95, 0.6)])
def test_the_rehearsed_codec_is_close_to_the_real_one(astronaut: np.ndarray, quality: int, share: float) -> None:
    face = astronaut[:256, 100:356]
    with io.BytesIO() as file:
        Image.fromarray(face).save(file, "JPEG", quality=quality)
        real = tensor(np.asarray(Image.open(file)))
    # What is left is the rounding of colors to 8 bits and another enlargement of chroma.
    assert error(jpeg(tensor(face), quality), real) < share * error(tensor(face), real)


def test_a_part_of_a_picture_has_the_blocks_of_the_whole(astronaut: np.ndarray) -> None:
    whole = tensor(astronaut[:192, 96:320])
    part = jpeg(whole[:, 21:150, 37:180], 75, (37, 21))
    # Blocks that the part cuts are another matter.
    inside = slice(16, -16)
    assert error(part[:, inside, inside], jpeg(whole, 75)[:, 21:150, 37:180][:, inside, inside]) < 0.01


def test_the_gradient_goes_where_the_codec_keeps_what_it_finds() -> None:
    ramp = torch.linspace(0.3, 0.7, 16).expand(3, 16, 16).clone()
    checks = torch.zeros(1, 16, 16)
    checks[:, ::2, ::2] = checks[:, 1::2, 1::2] = 1
    for pattern, passes in ((torch.ones(1, 16, 16), True), (checks - 0.5, False)):
        pixels = ramp.clone().requires_grad_(True)
        (jpeg(pixels, 50) * pattern).sum().backward()
        along = float((pixels.grad * pattern).sum() / (pattern * pattern).expand(3, -1, -1).sum())
        assert (along > 0.9) if passes else (abs(along) < 0.05)


def test_quality_100_changes_little_and_more_compression_more(astronaut: np.ndarray) -> None:
    face = tensor(astronaut[:128, 160:288])
    gray = face.mean(0, keepdim=True).expand(3, -1, -1)
    errors = [error(jpeg(gray, quality), gray) for quality in (100, 95, 75, 50, 10)]
    assert errors == sorted(errors)
    assert errors[0] < 0.5


def test_the_rehearsed_half_size_is_close_to_the_real_one_and_differentiable(astronaut: np.ndarray) -> None:
    face = astronaut[:200, 150:300]
    real = tensor(HANDLINGS[HALF_SIZE](face))
    assert error(half_size_and_back(tensor(face)), real) < 0.3 * error(tensor(face), real)
    small = torch.rand(3, 9, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    assert torch.autograd.gradcheck(half_size_and_back, small.requires_grad_(True))


def test_a_reduced_patch_hides_what_happens_to_finer_pixels(astronaut: np.ndarray) -> None:
    face = tensor(astronaut[:96, 180:276])

    def patch(scale: float) -> Patch:
        return Patch(face, (180, 0, 276, 96), np.array([[scale, 0, 0], [0, scale, 0]]))

    for handling in (JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75):
        assert not torch.equal(rehearse(handling, face, patch(1.0)), face)
        assert torch.equal(rehearse(handling, face, patch(0.4)), face)
    assert not torch.equal(rehearse(HALF_SIZE, face, patch(0.8)), face)
    assert torch.equal(rehearse(AS_PUBLISHED, face, patch(1.0)), face)
