import numpy as np
import torch
from torch import Tensor

from deid.defenses.near_duplicates import difference_hashes, similarities, small_copies


def test_a_copy_is_gray_and_small_whatever_the_photo_s_size() -> None:
    for shape in ((2, 1, 28, 28), (2, 3, 32, 32), (2, 3, 128, 96)):
        copies = small_copies(torch.full(shape, 0.4))
        assert copies.shape == (2, 32, 32)
        assert copies.dtype == torch.uint8
        assert copies.unique().tolist() == [102]


def test_a_hash_says_where_it_becomes_lighter_to_the_right() -> None:
    """By hand: a ramp up sets every bit, one down none, and a surface of one color none either."""
    ramp = torch.linspace(0, 255, 32).expand(32, 32)
    copies = torch.stack([ramp, ramp.flip(1), torch.full((32, 32), 90.0)]).to(torch.uint8)
    assert difference_hashes(copies) == [2**64 - 1, 0, 0]


def test_a_photo_s_versions_are_near_and_another_photo_is_not(astronaut: np.ndarray) -> None:
    photo = as_batch(astronaut[:256, 100:356])
    noisy = (photo + 0.05 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    brighter, other = 0.9 * photo + 0.1, as_batch(astronaut[256:, 200:456])
    copies = small_copies(torch.cat([photo, noisy, brighter, other]))
    first, *hashes = difference_hashes(copies)
    assert all((first ^ other).bit_count() <= 6 for other in hashes[:2])
    assert (first ^ hashes[2]).bit_count() > 16
    near, bright, far = similarities(copies[0], copies[1:]).tolist()
    assert min(near, bright) > 0.9
    assert far < 0.3


def as_batch(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
