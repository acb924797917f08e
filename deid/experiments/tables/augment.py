"""Changed photos to train on: (n, C, H, W) in [0, 1], same shape out."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SHIFT = 4  # pixels, at most, each way
LIGHTEST = 1.4  # factor, at most; at least its inverse


def shifted(photos: Tensor, rng: np.random.Generator) -> Tensor:
    """Each by its own whole pixels, mirrored where nothing is known."""
    height, width = photos.shape[-2:]
    padded = F.pad(photos, (SHIFT,) * 4, mode="reflect")
    corners = rng.integers(0, 2 * SHIFT + 1, (len(photos), 2))
    return torch.stack([photo[:, y : y + height, x : x + width] for photo, (y, x) in zip(padded, corners, strict=True)])


def shifted_or_mirrored(photos: Tensor, rng: np.random.Generator) -> Tensor:
    """And every other one left for right."""
    chosen = torch.from_numpy(rng.random(len(photos)) < 0.5)[:, None, None, None]
    return shifted(photos.flip(3).where(chosen, photos), rng)


def shifted_and_lit(photos: Tensor, rng: np.random.Generator) -> Tensor:
    """And brighter or darker."""
    gains = LIGHTEST ** torch.from_numpy(rng.uniform(-1, 1, len(photos))).float()[:, None, None, None]
    return (gains * shifted(photos, rng)).clamp(0, 1)
