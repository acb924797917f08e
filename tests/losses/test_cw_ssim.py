import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_msssim import ssim
from torch import Tensor

from deid.losses.cw_ssim import KAPPA, cw_ssim, cw_ssim_of_subbands
from deid.losses.steerable_pyramid import subbands

quick = settings(max_examples=25)
shapes = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(24, 45), st.integers(24, 45))
seeds = st.integers(0, 2**32 - 1)
small = {"scales": 2, "orientations": 3, "window": 5}


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def face() -> Tensor:
    """A photo of a face, luma, (1, 1, 128, 128)."""
    crop = torch.from_numpy(skimage.data.astronaut()[20:148, 160:288] / 255.0).float()
    return (crop @ torch.tensor([0.299, 0.587, 0.114]))[None, None]


def checkerboard(side: int) -> Tensor:
    """Squares of `side` pixels, +1 and -1, (1, 1, 128, 128)."""
    parity = torch.arange(128) // side % 2
    return 1.0 - 2 * (parity[:, None] ^ parity)[None, None]


@quick
@given(shapes, seeds, st.floats(1e-4, 1))
def test_bounded_symmetric_and_one_for_equal_images(shape: tuple[int, int, int, int], seed: int, amount: float) -> None:
    x = noise(*shape, seed=seed)
    y = torch.lerp(x, noise(*shape, seed=seed ^ 1), amount)
    scores = cw_ssim(x, y, **small)
    assert scores.shape == (shape[0],)
    assert (scores >= 0).all()
    assert (scores <= 1).all()
    torch.testing.assert_close(scores, cw_ssim(y, x, **small))
    torch.testing.assert_close(cw_ssim(x, x, **small), torch.ones(shape[0]))


@quick
@given(st.integers(1, 9), st.integers(9, 14), st.integers(9, 14), st.floats(1e-6, 1), seeds)
def test_against_direct_sums_over_each_window(window: int, height: int, width: int, kappa: float, seed: int) -> None:
    """The paper's formula in numpy, window by window, with its constant for the whole window."""
    generator = np.random.default_rng(seed)
    sizes = [(2, 3, height, width), (2, 3, 9, 9)]
    x, y = ([generator.normal(size=s) + 1j * generator.normal(size=s) for s in sizes] for _ in range(2))
    expected = []
    for image in range(2):
        per_scale = []
        for a, b in zip(x, y, strict=True):
            scores = []
            for channel in range(3):
                for top in range(a.shape[2] - window + 1):
                    for left in range(a.shape[3] - window + 1):
                        at = (image, channel, slice(top, top + window), slice(left, left + window))
                        constant = kappa * window * window
                        cross = abs(np.vdot(b[at], a[at]))
                        energy = np.vdot(a[at], a[at]).real + np.vdot(b[at], b[at]).real
                        scores.append((2 * cross + constant) / (energy + constant))
            per_scale.append(np.mean(scores))
        expected.append(np.mean(per_scale))
    got = cw_ssim_of_subbands(
        tuple(map(torch.from_numpy, x)), tuple(map(torch.from_numpy, y)), window=window, kappa=kappa
    )
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("dim", [-1, -2])
def test_a_shift_by_one_pixel_costs_less_than_in_ssim(dim: int) -> None:
    x = face()
    shifted = x.roll(1, dim)
    drop = 1 - cw_ssim(x, shifted).item()
    assert 0 < drop < 0.1
    assert drop < 0.5 * (1 - ssim(x, shifted, data_range=1, win_size=7).item())


@pytest.mark.parametrize("side", [1, 2, 4, 8])
def test_no_scale_of_noise_is_free(side: int) -> None:
    x = face()
    scores = [cw_ssim(x, x + amplitude * checkerboard(side)).item() for amplitude in (0, 0.01, 0.02, 0.05)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.9


def test_the_coarsest_scale_alone_would_leave_fine_noise_free() -> None:
    x = face()
    clean, noisy = subbands(x), subbands(x + 0.05 * checkerboard(1))
    assert cw_ssim_of_subbands(clean[-1:], noisy[-1:]).item() > 0.999
    assert cw_ssim_of_subbands(clean[:1], noisy[:1]).item() < 0.6


def test_the_default_constant_ignores_rounding_and_sees_noise_on_flat_skin() -> None:
    flat = torch.full((4, 1, 128, 128), 0.6)
    grain = torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))
    rounding, visible, strong = (cw_ssim(flat, flat + s * grain).mean() for s in (0.29 / 255, 0.01, 0.03))
    assert rounding > 0.998
    assert 0.85 < visible < 0.95
    assert 0.5 < strong < 0.6
    assert subbands(face())[1].abs().square().median() > KAPPA


@pytest.mark.parametrize("shape", [(2, 1, 12, 12), (1, 2, 11, 10)])
def test_gradcheck(shape: tuple[int, ...]) -> None:
    x, y = (noise(*shape, seed=seed, dtype=torch.float64).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(lambda a, b: cw_ssim(a, b, **small), (x, y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("level", [None, 0.0, 0.5, 1e-20])
def test_equal_images_even_constant_ones_have_a_zero_gradient(level: float | None, dtype: torch.dtype) -> None:
    clean = (face() if level is None else torch.full((1, 1, 128, 128), level)).to(dtype)
    perturbed = clean.clone().requires_grad_()
    score = cw_ssim_of_subbands(subbands(clean), subbands(perturbed))
    torch.testing.assert_close(score, torch.ones_like(score))
    (gradient,) = torch.autograd.grad(score.sum(), perturbed)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 1e-5


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_the_gradient_away_from_a_constant_image_is_finite_and_useful(level: float) -> None:
    clean = torch.full((1, 1, 128, 128), level)
    noisy = (clean + 0.02 * noise(1, 1, 128, 128)).requires_grad_()
    score = cw_ssim(clean, noisy)
    (gradient,) = torch.autograd.grad(score.sum(), noisy)
    assert gradient.isfinite().all()
    assert cw_ssim(clean, noisy + 0.002 * gradient / gradient.abs().max()).item() > score.item()


def test_each_image_of_a_batch_is_scored_alone() -> None:
    x, y = noise(4, 2, 32, 32), noise(4, 2, 32, 32, seed=1)
    y[2] = x[2]
    y.requires_grad_()
    together = cw_ssim(x, y, **small)
    alone = torch.cat([cw_ssim(x[i : i + 1], y[i : i + 1], **small) for i in range(4)])
    torch.testing.assert_close(together, alone)
    (gradient,) = torch.autograd.grad(together[1], y)
    assert gradient[1].abs().max() > 0
    assert not gradient[[0, 2, 3]].any()


def test_bad_arguments_are_named() -> None:
    x = subbands(noise(1, 1, 32, 32), scales=2)
    with pytest.raises(ValueError, match="shapes"):
        cw_ssim_of_subbands(x, x[:1])
    with pytest.raises(ValueError, match="kappa"):
        cw_ssim_of_subbands(x, x, kappa=0)
    with pytest.raises(ValueError, match="1 to 16 coefficients"):
        cw_ssim_of_subbands(x, x, window=17)
