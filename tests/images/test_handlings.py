import numpy as np
import pytest

from deid.images.handlings import AS_PUBLISHED, HANDLINGS, cropped


@pytest.mark.parametrize("name", HANDLINGS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (9, 4), (64, 48, 3)])
def test_every_handling_takes_any_photo(name: str, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    handled = HANDLINGS[name](pixels)
    assert handled.dtype == np.uint8
    assert handled.ndim == pixels.ndim
    assert np.array_equal(handled, pixels) or name != AS_PUBLISHED
    assert np.array_equal(HANDLINGS[name](pixels), handled)


def test_a_crop_leaves_what_is_left_where_it_was(astronaut: np.ndarray) -> None:
    part = cropped(astronaut)
    assert part.shape == (497, 497, 3)
    assert np.array_equal(part, astronaut[:497, :497])
