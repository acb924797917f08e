import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from deid.faces.area_means import AreaMeans

SIDES = st.integers(1, 40)
CPU = torch.device("cpu")


def pictures_of(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)


def as_torch_does_it(pictures: np.ndarray, height: int, width: int) -> Tensor:
    means = F.adaptive_avg_pool2d(torch.from_numpy(pictures).permute(0, 3, 1, 2).double(), (height, width))
    return ((means - 127.5) / 128).float()


@given(SIDES, SIDES, SIDES, SIDES)
def test_a_reduced_or_enlarged_picture_is_torch_s(height: int, width: int, to_height: int, to_width: int) -> None:
    pictures = pictures_of(height, width)
    expected = as_torch_does_it(pictures, to_height, to_width)
    assert torch.allclose(AreaMeans(pictures, CPU).reduced(to_height, to_width), expected, rtol=0, atol=1e-6)


@given(SIDES, SIDES, st.data())
def test_so_are_parts(height: int, width: int, data: st.DataObject) -> None:
    pictures = pictures_of(height, width)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right, bottom = data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height))
    boxes = np.array([[left, top, right, bottom], [0, 0, width, height]])
    cut = AreaMeans(pictures, CPU).cut(np.array([1, 0]), boxes, 24)
    expected = [as_torch_does_it(pictures[1:, top:bottom, left:right], 24, 24), as_torch_does_it(pictures[:1], 24, 24)]
    assert torch.allclose(cut, torch.cat(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", [2000, 3000])
def test_sums_of_large_pictures_do_not_overflow(side: int) -> None:
    white = np.full((1, side, side, 3), 255, np.uint8)
    assert torch.equal(AreaMeans(white, CPU).reduced(1, 1), torch.full((1, 3, 1, 1), 127.5 / 128))
