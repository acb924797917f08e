import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from deid.losses.psnr import HIGHEST, psnr


def test_it_agrees_with_scikit_image_and_is_symmetric() -> None:
    x, y = torch.rand(2, 4, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    expected = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    assert psnr(x, y).numpy() == pytest.approx(np.array(expected), abs=1e-3)
    assert torch.equal(psnr(x, y), psnr(y, x))


def test_equal_images_have_the_highest() -> None:
    x = torch.rand(2, 1, 8, 8)
    assert psnr(x, x).tolist() == [pytest.approx(HIGHEST)] * 2
