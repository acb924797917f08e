"""Filters before a recognizer: the cheap defense that everyone has.

JPEG (Dziugaite, Ghahramani, Roy, 2016), median, Gaussian and fewer bits (feature squeezing: Xu, Evans, Qi, NDSS 2018),
total variation (Guo, Rana, Cissé, van der Maaten, ICLR 2018). A filter takes photos (N, C, H, W) in [0, 1] with one
channel or three to as many of the same shape and range. What an attack has to know of one that is not differentiable is
approximated in the backward pass alone (BPDA: Athalye, Carlini, Wagner, ICML 2018). Sides are of 4 pixels at least.
"""

import importlib.util
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.defenses.contract import Classifier, Defended, Fit
from deid.errors import UsageError, how_to_install
from deid.faces import rehearsal
from deid.images import handlings
from deid.losses.visibility import blurred

Filter = Callable[[Tensor], Tensor]

QUALITY = 50  # stronger than what people publish with
MEDIAN = 3  # pixels a side
BITS = 4
SIGMA = 1.0  # pixels
WEIGHT = 0.05  # of total variation: more smooths more


def jpeg(photos: Tensor) -> Tensor:
    """What a JPEG file of QUALITY shows; the gradient is the rehearsed codec's."""
    recompress, channels = handlings.jpeg(QUALITY), photos.shape[1]
    coded = torch.stack([_from_pixels(recompress(_to_pixels(photo)), channels) for photo in photos]).to(photos)
    rehearsed = torch.stack([rehearsal.jpeg(photo.expand(3, -1, -1), QUALITY) for photo in photos])
    return _as_if(rehearsed[:, :channels], coded)


def median(photos: Tensor) -> Tensor:
    """Of each pixel and its eight neighbors; the gradient goes to the one that is taken."""
    room = MEDIAN // 2
    padded = F.pad(photos, (room,) * 4, mode="reflect")
    return padded.unfold(2, MEDIAN, 1).unfold(3, MEDIAN, 1).flatten(4).median(-1).values


def bit_depth(photos: Tensor) -> Tensor:
    """Rounded to BITS bits; the gradient passes straight through."""
    levels = 2**BITS - 1
    return _as_if(photos, (photos * levels).round() / levels)


def gaussian(photos: Tensor) -> Tensor:
    """Blurred with SIGMA."""
    return blurred(photos, SIGMA).clamp(0, 1)


def total_variation(photos: Tensor) -> Tensor:
    """Of less total variation (Chambolle 2004); the gradient passes straight through.

    Raises UsageError without scikit-image.
    """
    if importlib.util.find_spec("skimage") is None:
        raise UsageError(f"this filter needs scikit-image: {how_to_install('defenses')}")
    from skimage.restoration import denoise_tv_chambolle

    pictures = photos.detach().cpu().numpy()
    smooth = np.stack([denoise_tv_chambolle(picture, weight=WEIGHT, channel_axis=0) for picture in pictures])
    return _as_if(photos, torch.from_numpy(smooth).to(photos).clamp(0, 1))


FILTERS: Mapping[str, Filter] = {
    "jpeg": jpeg,
    "median": median,
    "bit-depth": bit_depth,
    "gaussian": gaussian,
    "total-variation": total_variation,
}


def behind(filter_: Filter) -> Fit:
    """A defense that is a filter before the classifier; it learns nothing, and never says «adversarial»."""

    def fit(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
        def scores(faces: Tensor) -> Tensor:
            if faces.ndim != 4 or faces.shape[1] not in (1, 3):
                raise UsageError(f"a filter takes photos (N, 1 or 3, H, W), not {tuple(faces.shape)}")
            logits = classifier.logits(filter_(faces))
            return torch.cat([logits, torch.full_like(logits[:, :1], -torch.inf)], dim=1)

        return Defended(scores)

    return fit


def _as_if(differentiable: Tensor, value: Tensor) -> Tensor:
    """`value`, with the gradient of `differentiable`."""
    return value + (differentiable - differentiable.detach())


def _to_pixels(photo: Tensor) -> np.ndarray:
    """(C, H, W) in [0, 1] → uint8 (H, W, 3) or (H, W)."""
    pixels = (photo.detach() * 255).round().to(torch.uint8).cpu().numpy()
    return pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _from_pixels(pixels: np.ndarray, channels: int) -> Tensor:
    return torch.from_numpy(pixels.copy()).reshape(*pixels.shape[:2], channels).permute(2, 0, 1).float() / 255
