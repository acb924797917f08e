import pytest
import torch

from deid.losses.local_contrast import visible_limit


def test_structure_bears_more_than_flat_skin() -> None:
    flat_and_striped = torch.full((2, 3, 64, 64), 0.5)
    flat_and_striped[..., 32:] += 0.2 * (torch.arange(32) % 2 - 0.5)
    limit = visible_limit(flat_and_striped)
    assert limit.shape == flat_and_striped.shape
    assert float(limit[0, 0, 32, 16]) == pytest.approx(4 / 255, rel=1e-3)
    assert float(limit[1, 2, 32, 48]) == pytest.approx((4 + 8 * 0.1 / 0.08) / 255, rel=0.02)
