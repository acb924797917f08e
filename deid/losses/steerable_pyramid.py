"""Complex steerable pyramid: an image as oriented, local amplitudes and phases at several scales.

The filters are those of Simoncelli & Freeman, "The steerable pyramid" (ICIP 1995), made one-sided in
orientation as in Portilla & Simoncelli (IJCV 40, 2000), so that a coefficient is complex: its modulus tells
how much structure of that scale and direction there is, its phase where. They are products, in polar
frequency coordinates, of a raised cosine in log radius and a power of a cosine in angle.

Two choices differ from the papers:

- The finest scale takes in their isotropic high-pass residual, so that it reaches from an eighth of the
  sampling rate to the last corner of the spectrum. That corner is where fine noise lives; as a residual it
  would have neither phase nor direction, and as a scale of its own it would double the cost.
- Squared filters add up to exactly one on every bin, Nyquist's included, for every image size. The pyramid is
  a tight frame for real images: energy is preserved, and the adjoint reconstructs exactly.

A scale keeps only the bins its filters reach: scale s has about 1 / 2**s of the image's side. Filtering is
circular: the left edge of the image touches the right one.
"""

from functools import lru_cache
from math import ceil, factorial, pi, sqrt
from typing import NamedTuple

import torch
from torch import Tensor

SCALES = 4
ORIENTATIONS = 4


class Pyramid(NamedTuple):
    """What `decompose` gives.

    bands: one complex tensor a scale, finest first, shape (N, C * orientations, h, w); channel c * orientations + k
        answers to variation along the direction k * pi / orientations (0: along x, so vertical edges; angles grow
        from x toward y, downward).
    lowpass: what is left, real (N, C, h, w).
    size: height and width of the image.
    """

    bands: tuple[Tensor, ...]
    lowpass: Tensor
    size: tuple[int, int]


def subbands(images: Tensor, *, scales: int = SCALES, orientations: int = ORIENTATIONS) -> tuple[Tensor, ...]:
    """The oriented bands of real images (N, C, H, W), float32 or float64, any range; see `Pyramid.bands`.

    Coefficients are in the images' units, scaled to preserve energy: white noise has about the same variance
    in the coefficients of every scale, and three times that in the finest, which has the spectrum's corners.

    Raises TypeError for another dtype, ValueError for another shape, fewer than one scale or two
    orientations, or a side shorter than 2**scales pixels.
    """
    masks, _ = _masks_for(images, scales, orientations)
    return _bands(torch.fft.fft2(images, norm="ortho"), masks)


def decompose(images: Tensor, *, scales: int = SCALES, orientations: int = ORIENTATIONS) -> Pyramid:
    """The whole pyramid of real images (N, C, H, W): the energies (sums of squared moduli) of its bands and
    its low-pass residual add up to the images'. Arguments and errors as in `subbands`."""
    masks, residual = _masks_for(images, scales, orientations)
    spectrum = torch.fft.fft2(images, norm="ortho")
    lowpass = torch.fft.ifft2(_crop(spectrum, residual.shape) * residual, norm="ortho").real
    return Pyramid(_bands(spectrum, masks), lowpass, (images.shape[-2], images.shape[-1]))


def reconstruct(pyramid: Pyramid) -> Tensor:
    """The images (N, C, H, W) that `decompose` was given, to rounding; for altered coefficients, the adjoint.

    The real part is taken because a one-sided filter sees only one of each pair of conjugate bins.
    """
    height, width = pyramid.size
    n, channels = pyramid.lowpass.shape[:2]
    orientations = pyramid.bands[0].shape[1] // channels
    masks, residual = _masks(
        height, width, len(pyramid.bands), orientations, pyramid.lowpass.device, pyramid.lowpass.dtype
    )
    spectrum = _uncrop(torch.fft.fft2(pyramid.lowpass, norm="ortho") * residual, pyramid.size)
    for band, mask in zip(pyramid.bands, masks, strict=True):
        oriented = band.unflatten(1, (channels, orientations))
        spectrum = spectrum + _uncrop((torch.fft.fft2(oriented, norm="ortho") * mask).sum(2), pyramid.size)
    return torch.fft.ifft2(spectrum, norm="ortho").real.reshape(n, channels, height, width)


def _bands(spectrum: Tensor, masks: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    filtered = (_crop(spectrum, mask.shape[-2:]).unsqueeze(2) * mask for mask in masks)
    return tuple(torch.fft.ifft2(band, norm="ortho").flatten(1, 2) for band in filtered)


def _crop(spectrum: Tensor, size: tuple[int, ...]) -> Tensor:
    """The lowest frequencies, `size` of them (even), of a spectrum (..., H, W) in the FFT's order."""
    for dim, bins in zip((-2, -1), size, strict=True):
        if bins < spectrum.shape[dim]:
            half = bins // 2
            ends = spectrum.narrow(dim, 0, half), spectrum.narrow(dim, spectrum.shape[dim] - half, half)
            spectrum = torch.cat(ends, dim)
    return spectrum


def _uncrop(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    """A spectrum padded with zero high frequencies to `size`: the adjoint of `_crop`."""
    for dim, bins in zip((-2, -1), size, strict=True):
        if bins > spectrum.shape[dim]:
            low, high = spectrum.chunk(2, dim)
            shape = list(spectrum.shape)
            shape[dim] = bins - spectrum.shape[dim]
            spectrum = torch.cat((low, spectrum.new_zeros(shape), high), dim)
    return spectrum


def _masks_for(images: Tensor, scales: int, orientations: int) -> tuple[tuple[Tensor, ...], Tensor]:
    if images.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"images must be float32 or float64, not {images.dtype}")
    if images.ndim != 4:
        raise ValueError(f"images must have the shape (N, C, H, W), not {tuple(images.shape)}")
    if scales < 1 or orientations < 2:
        raise ValueError(f"at least 1 scale and 2 orientations are needed, not {scales} and {orientations}")
    height, width = images.shape[-2:]
    if min(height, width) < 2**scales:
        raise ValueError(f"{scales} scales need {2**scales} pixels a side; the images have {height}×{width}")
    return _masks(height, width, scales, orientations, images.device, images.dtype)


@lru_cache(maxsize=16)
def _masks(
    height: int, width: int, scales: int, orientations: int, device: torch.device, dtype: torch.dtype
) -> tuple[tuple[Tensor, ...], Tensor]:
    """Filters (orientations, h, w) of each scale and the residual's (h, w), in the FFT's order."""
    # Out of inference mode: the cache outlives it, and autograd refuses tensors made inside.
    with torch.inference_mode(False), torch.no_grad():
        bands = []
        for scale in range(scales):
            y, x = _frequencies(height, width, scale)
            bands.append(_oriented(y, x, scale, orientations).to(device, dtype))
        y, x = _frequencies(height, width, scales)
        return tuple(bands), _radial_lowpass(torch.hypot(y, x), scales).to(device, dtype)


def _frequencies(height: int, width: int, scale: int) -> tuple[Tensor, Tensor]:
    """Frequencies along y (h, 1) and x (1, w), radians a pixel, of the bins that a scale keeps."""
    axes = []
    for bins in (height, width):
        # Every filter of scale s >= 1 is zero from pi / 2**s on: an even number of bins around 0 holds it.
        kept = bins if scale == 0 else 2 * ceil(bins / 2 ** (scale + 1))
        axes.append(2 * pi / bins * torch.fft.fftfreq(kept, 1 / kept, dtype=torch.float64, device="cpu"))
    return axes[0][:, None], axes[1][None, :]


def _oriented(y: Tensor, x: Tensor, scale: int, orientations: int) -> Tensor:
    # On an even side the bin at -pi is also the one at +pi, so that it has two directions at once. Giving it
    # the mean power of both keeps the frame tight there; elsewhere the four terms are the same.
    twin_y, twin_x = (torch.where(axis <= -pi, -axis, axis) for axis in (y, x))
    powers = [_power(v, u, scale, orientations) for v in (y, twin_y) for u in (x, twin_x)]
    return torch.stack(powers).mean(0).sqrt()


def _power(y: Tensor, x: Tensor, scale: int, orientations: int) -> Tensor:
    """Squared filters of one scale, shape (orientations, h, w)."""
    radius, angle = torch.hypot(y, x), torch.atan2(y, x)
    radial = _radial_lowpass(radius, scale) ** 2 - _radial_lowpass(radius, scale + 1) ** 2
    centers = torch.arange(orientations, dtype=torch.float64, device="cpu")[:, None, None] * pi / orientations
    n = orientations - 1
    norm = 2**n * factorial(n) / sqrt(orientations * factorial(2 * n))
    one_sided = norm * torch.cos(angle - centers).clamp(min=0) ** n
    # The factor 2 makes up for the half plane that a one-sided filter lacks.
    return 2 * radial * one_sided**2


def _radial_lowpass(radius: Tensor, scale: int) -> Tensor:
    """1 up to pi / 2**(scale + 1), 0 from twice that on, a cosine of log radius between; 1 for scale 0."""
    if scale == 0:
        return torch.ones_like(radius)
    octaves = torch.log2(radius.clamp(min=1e-12) * 2 ** (scale + 1) / pi)
    return torch.cos(pi / 2 * octaves.clamp(0, 1))
