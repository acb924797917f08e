import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deid.losses.steerable_pyramid import Pyramid, decompose, reconstruct, subbands

quick = settings(max_examples=40)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def grating(size: int, cycles_y: int, cycles_x: int) -> Tensor:
    turns = torch.arange(size, dtype=torch.float64) / size
    waves = torch.cos(2 * math.pi * (cycles_y * turns[:, None] + cycles_x * turns))
    return waves[None, None]


def energies(bands: tuple[Tensor, ...]) -> Tensor:
    """Energy of each band of the first image, shape (scales, orientations)."""
    return torch.stack([band[0].abs().square().sum((-2, -1)) for band in bands])


@quick
@given(
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(8, 37),
    st.integers(8, 37),
    st.integers(1, 3),
    st.integers(2, 6),
)
def test_tight_frame_and_exact_reconstruction(
    n: int, channels: int, height: int, width: int, scales: int, orientations: int
) -> None:
    images = noise(n, channels, height, width) - 0.5
    pyramid = decompose(images, scales=scales, orientations=orientations)

    energy = energies(pyramid.bands).sum() + pyramid.lowpass[0].square().sum()
    torch.testing.assert_close(energy, images[0].square().sum())
    torch.testing.assert_close(reconstruct(pyramid), images)


def test_float32_keeps_its_precision_and_its_type() -> None:
    images = noise(2, 3, 128, 128, dtype=torch.float32)
    pyramid = decompose(images)
    assert {band.dtype for band in pyramid.bands} == {torch.complex64}
    assert (reconstruct(pyramid) - images).abs().max() < 1e-6


def test_scales_shrink_and_the_bands_are_those_of_the_whole_pyramid() -> None:
    images = noise(2, 3, 64, 48)
    bands = subbands(images, scales=3, orientations=5)
    assert [tuple(band.shape) for band in bands] == [(2, 15, 64, 48), (2, 15, 32, 24), (2, 15, 16, 12)]
    for band, same in zip(bands, decompose(images, scales=3, orientations=5).bands, strict=True):
        torch.testing.assert_close(band, same)


@pytest.mark.parametrize("size", [64, 63])
def test_against_the_papers_filters_applied_at_full_size(size: int) -> None:
    """Direct numpy: filter without cropping; for a power of two, cropping is then plain decimation."""
    image = noise(1, 1, size, size)
    wy, wx = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(size)] * 2, indexing="ij")
    radius = np.maximum(np.hypot(wy, wx), 1e-9)
    angle = np.arctan2(wy, wx)

    def high(r: np.ndarray) -> np.ndarray:  # rises from pi / 4 to pi / 2
        ramp = np.cos(np.pi / 2 * np.log2(2 * r / np.pi))
        return np.where(r <= np.pi / 4, 0, np.where(r >= np.pi / 2, 1, ramp))

    def low(r: np.ndarray) -> np.ndarray:
        return np.sqrt(1 - high(r) ** 2)

    spectrum = np.fft.fft2(image[0, 0].numpy())
    bands = subbands(image, scales=3, orientations=4)
    # Scale 0 is compared on an odd side only, where no bin is its own alias.
    for scale in [1, 2] if size == 64 else [0]:
        radial = high(radius * 2**scale)
        for coarser in range(scale):
            radial = radial * low(radius * 2**coarser)
        for k in range(4):
            lobe = np.cos(angle - k * np.pi / 4)
            angular = math.sqrt(2) * 8 * 6 / math.sqrt(4 * 720) * np.where(lobe > 0, lobe, 0) ** 3
            full = np.fft.ifft2(spectrum * radial * angular)
            step = 2**scale
            np.testing.assert_allclose(bands[scale][0, k].numpy(), step * full[::step, ::step], atol=1e-12)


@pytest.mark.parametrize("orientations", [2, 4, 6])
def test_a_grating_puts_its_energy_in_the_band_of_its_direction(orientations: int) -> None:
    for k in range(orientations):
        direction = k * math.pi / orientations
        waves = grating(128, round(24 * math.sin(direction)), round(24 * math.cos(direction)))
        shares = energies(subbands(waves, orientations=orientations)).sum(0) / waves.square().sum()
        assert shares.argmax() == k
        assert shares[k] > 0.6


@pytest.mark.parametrize("scale", range(4))
def test_a_grating_puts_its_energy_in_its_scale_with_a_steady_modulus(scale: int) -> None:
    waves = grating(128, 0, 32 >> scale)  # the angular frequency is pi / 2**(scale + 1)
    bands = subbands(waves)
    torch.testing.assert_close(energies(bands)[scale].sum(), waves.square().sum())
    # One-sided filters: a wave's crests and zeros have the same modulus; only the phase moves.
    modulus = bands[scale][0, 0].abs()
    assert modulus.std() < 1e-6 * modulus.mean()


def test_a_quarter_turn_moves_the_energy_by_half_the_orientations() -> None:
    image = noise(1, 1, 65, 65)
    before, after = (energies(subbands(x)) for x in (image, image.rot90(1, (-2, -1))))
    torch.testing.assert_close(after, before.roll(2, 1))


def test_the_finest_scale_holds_all_of_the_finest_checkerboard() -> None:
    checkerboard = grating(64, 32, 32)
    finest = energies(subbands(checkerboard))[0]
    torch.testing.assert_close(finest.sum(), checkerboard.square().sum())


def test_white_noise_is_as_strong_at_every_scale_but_the_finest() -> None:
    levels = [band.abs().square().mean().item() for band in subbands(noise(16, 1, 128, 128) - 0.5)]
    assert max(levels[1:]) < 1.2 * min(levels[1:])
    assert 2 < levels[0] / levels[1] < 4


def test_the_gradient_is_the_adjoint() -> None:
    images = noise(2, 2, 17, 24).requires_grad_()
    pyramid = decompose(images, scales=2, orientations=3)
    other = decompose(noise(2, 2, 17, 24, seed=1), scales=2, orientations=3)
    altered = Pyramid(tuple(1j * band for band in other.bands), 2 * other.lowpass, other.size)
    (gradient,) = torch.autograd.grad([*pyramid.bands, pyramid.lowpass], images, [*altered.bands, altered.lowpass])
    torch.testing.assert_close(gradient, reconstruct(altered))


def test_images_and_channels_do_not_mix() -> None:
    images = noise(3, 2, 32, 32)
    together = subbands(images, scales=2, orientations=3)
    alone = subbands(images[1:2, 1:], scales=2, orientations=3)
    for band, same in zip(together, alone, strict=True):
        torch.testing.assert_close(band[1:2, 3:], same)


def test_filters_first_made_in_inference_mode_still_carry_gradients() -> None:
    with torch.inference_mode():
        subbands(noise(1, 1, 19, 23))
    images = noise(1, 1, 19, 23).requires_grad_()
    sum(band.abs().sum() for band in subbands(images)).backward()  # type: ignore[union-attr]
    assert images.grad is not None


def test_bad_arguments_are_named() -> None:
    with pytest.raises(TypeError, match="float16"):
        subbands(torch.zeros(1, 1, 32, 32, dtype=torch.float16))
    with pytest.raises(ValueError, match="shape"):
        subbands(torch.zeros(32, 32))
    with pytest.raises(ValueError, match="2 orientations"):
        subbands(torch.zeros(1, 1, 32, 32), orientations=1)
    with pytest.raises(ValueError, match="16 pixels"):
        subbands(torch.zeros(1, 1, 15, 32), scales=4)
