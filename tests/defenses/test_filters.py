import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deid.defenses import filters
from deid.defenses.contract import Classifier
from deid.defenses.filters import BITS, FILTERS
from deid.defenses.registry import DEFENSES
from deid.errors import UsageError
from deid.images import handlings


@st.composite
def photos(draw: st.DrawFn) -> Tensor:
    """(N, C, H, W) in [0, 1]: smooth, noisy, black or white."""
    n, channels = draw(st.integers(1, 2)), draw(st.sampled_from((1, 3)))
    height, width = draw(st.integers(8, 20)), draw(st.integers(8, 20))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    contrast = draw(st.sampled_from((0.0, 0.2, 3.0)))
    level = draw(st.sampled_from((0.0, 0.5, 1.0)))
    return (level + contrast * (torch.rand(n, channels, height, width, generator=rng) - 0.5)).clamp(0, 1)


def classifier() -> Classifier:
    """Whose two logits are the mean of a photo and its negative."""

    def logits(faces: Tensor) -> Tensor:
        mean = faces.mean((1, 2, 3))
        return torch.stack([mean, -mean], 1)

    return Classifier(logits, lambda faces: (faces.flatten(1),))


@pytest.mark.parametrize("name", FILTERS)
@given(faces=photos())
@settings(max_examples=12)
def test_a_filter_keeps_shape_and_range_and_what_is_flat(name: str, faces: Tensor) -> None:
    filtered = FILTERS[name](faces)
    assert filtered.shape == faces.shape
    assert filtered.dtype == faces.dtype
    assert 0 <= filtered.min() <= filtered.max() <= 1
    flat = torch.full_like(faces, 5 / 15)  # a value of 4 bits, and of 8
    one_level = 1.01 / 255 if name == "jpeg" else 1e-5  # by which its first coefficient may be off
    assert torch.allclose(FILTERS[name](flat), flat, atol=one_level)


@pytest.mark.parametrize("name", FILTERS)
@given(faces=photos())
@settings(max_examples=8)
def test_each_photo_is_filtered_by_itself(name: str, faces: Tensor) -> None:
    both = FILTERS[name](torch.cat([faces, faces.flip(0)]))
    assert torch.allclose(both[: len(faces)], FILTERS[name](faces), atol=1e-6)


@given(faces=photos())
@settings(max_examples=20)
def test_fewer_bits_once_are_fewer_bits_for_ever(faces: Tensor) -> None:
    once = filters.bit_depth(faces)
    assert torch.equal(filters.bit_depth(once), once)
    assert len(once.unique()) <= 2**BITS
    assert float((once - faces).abs().max()) <= 0.5 / (2**BITS - 1) + 1e-6


@given(faces=photos())
@settings(max_examples=8)
def test_the_coded_photo_is_the_codec_s_own(faces: Tensor) -> None:
    pixels = (faces[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    coded = handlings.jpeg(filters.QUALITY)(pixels if pixels.shape[2] == 3 else pixels[:, :, 0])
    found = (filters.jpeg(faces)[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(found.squeeze(), coded.squeeze())


def test_a_median_takes_single_pixels_off() -> None:
    faces = torch.full((1, 1, 9, 9), 0.25)
    faces[0, 0, 4, 4] = faces[0, 0, 0, 0] = 1
    assert torch.equal(filters.median(faces), torch.full((1, 1, 9, 9), 0.25))


def test_a_gaussian_is_its_kernel() -> None:
    faces = torch.zeros(1, 1, 15, 15)
    faces[0, 0, 7, 7] = 1
    row = filters.gaussian(faces)[0, 0, 7, 4:11]
    expected = torch.exp(-torch.arange(-3.0, 4).square() / 2)
    assert torch.allclose(row / row[3], expected, atol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_noise_on_a_real_face_gets_less(name: str, astronaut: np.ndarray) -> None:
    face = torch.from_numpy(astronaut[64:192, 160:288].copy()).permute(2, 0, 1)[None].float() / 255
    noise = 0.1 * torch.randn(face.shape, generator=torch.Generator().manual_seed(0))
    if name == "bit-depth":  # rounds a small change away, where nothing was between two levels
        face, noise = filters.bit_depth(face), 0.1 * noise
    before = (face + noise).clamp(0, 1)
    assert (FILTERS[name](before) - face).square().mean() < (0.99 if name == "jpeg" else 0.8) * noise.square().mean()


@pytest.mark.parametrize("name", ["bit-depth", "total-variation"])
def test_where_there_is_no_gradient_it_passes_straight_through(name: str) -> None:
    faces = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    weights = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    (FILTERS[name](faces) * weights).sum().backward()
    assert torch.equal(faces.grad, weights)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_attack_s_gradient_says_how_to_make_a_defended_face_lighter(name: str, channels: int) -> None:
    defended = DEFENSES[name].fit(classifier(), torch.zeros(0), torch.zeros(0, dtype=torch.long), seed=0)
    faces = 0.3 + 0.2 * torch.rand(2, channels, 16, 16, generator=torch.Generator().manual_seed(0))
    faces.requires_grad_(True)
    before = defended.scores(faces)
    before[:, 0].sum().backward()
    assert bool((faces.grad.flatten(1).sum(1) > 0).all())
    with torch.no_grad():
        assert bool((defended.scores(faces + 40 * faces.grad)[:, 0] > before[:, 0]).all())


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_never_says_adversarial_and_learns_from_nothing(name: str) -> None:
    assert DEFENSES[name].photos == 0
    defended = DEFENSES[name].fit(classifier(), torch.zeros(0), torch.zeros(0, dtype=torch.long), seed=0)
    scores = defended.scores(torch.rand(3, 1, 8, 8))
    assert scores.shape == (3, 3)
    assert bool(torch.isneginf(scores[:, -1]).all())
    assert defended.answers(torch.rand(3, 1, 8, 8)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 8), (1, 2, 8, 8), (1, 4, 8, 8)])
def test_what_is_no_photo_is_refused(shape: tuple[int, ...]) -> None:
    defended = DEFENSES["median"].fit(classifier(), torch.zeros(0), torch.zeros(0, dtype=torch.long), seed=0)
    with pytest.raises(UsageError, match="1 or 3"):
        defended.scores(torch.zeros(shape))


def test_without_scikit_image_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"\[defenses\]"):
        filters.total_variation(torch.zeros(1, 1, 8, 8))
