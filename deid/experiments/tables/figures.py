"""What a table says of each photo: likeness and error, of the photo as it is published, at 8 bits.

Each figure takes clean and published photos, (n, C, H, W) in [0, 1], and answers (n,).
"""

from collections.abc import Callable

import pytorch_msssim
from torch import Tensor

from deid.experiments.results import check_installed
from deid.losses import cw_ssim as cw

Figure = Callable[[Tensor, Tensor], Tensor]
WINDOW = 7
# MS-SSIM's weights of its first three scales (Wang, Simoncelli, Bovik, Asilomar 2003); the papers' photos of 32 pixels
# have no room for more.
THREE_SCALES = (0.0448, 0.2856, 0.3001)
THREE_SCALES_NOTE = """\
MS-SSIM is piq's, of the first three scales and a window of 7 pixels: photos of 32 pixels have no room for five.
"""


def ssim(clean: Tensor, published: Tensor) -> Tensor:
    """SSIM in a Gaussian window of 7 pixels, its mean over the photo."""
    return pytorch_msssim.ssim(clean, published, data_range=1, win_size=WINDOW, size_average=False)


def ms_ssim(clean: Tensor, published: Tensor) -> Tensor:
    """MS-SSIM of three scales, for photos of at least 25 pixels: `pytorch_msssim` refuses those under 97.

    Raises UsageError without piq.
    """
    check_installed({"piq": "reproduce"})
    from piq import multi_scale_ssim  # which imports torchvision

    weights = clean.new_tensor(THREE_SCALES)
    return multi_scale_ssim(
        clean, published, kernel_size=WINDOW, data_range=1.0, reduction="none", scale_weights=weights / weights.sum()
    )


def cw_ssim(clean: Tensor, published: Tensor) -> Tensor:
    """CW-SSIM over as many scales as there is room for."""
    return cw.cw_ssim(clean, published, scales=cw.scales_for(clean))


def mse(clean: Tensor, published: Tensor) -> Tensor:
    """Mean squared error a pixel."""
    return (clean - published).square().flatten(1).mean(1)
