"""Blur and mosaic of whole photos, as strong as this program's usual ones: what people use instead of an attack."""

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.attacks.contract import Attacked
from deid.experiments.tables.task import Task
from deid.faces.obfuscation import STRENGTHS
from deid.losses.visibility import blurred

FRAME = 128  # pixels of the face that the strengths are of


def blur(task: Task) -> Attacked:
    """A Gaussian."""
    return _unasked(blurred(task.photos, STRENGTHS["blur"] * task.photos.shape[-1] / FRAME))


def mosaic(task: Task) -> Attacked:
    """Square cells, each its pixels' mean; the last ones may be cut."""
    size = task.photos.shape[-2:]
    cell = max(2, round(STRENGTHS["pixelate"] * size[1] / FRAME))
    means = F.avg_pool2d(task.photos, cell, ceil_mode=True)
    return _unasked(means.repeat_interleave(cell, 2).repeat_interleave(cell, 3)[..., : size[0], : size[1]])


def _unasked(photos: Tensor) -> Attacked:
    """No network was asked."""
    nothing = torch.zeros(len(photos), dtype=torch.int64)
    return Attacked(photos, nothing, nothing.bool())
