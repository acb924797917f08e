"""What the units make of attacked photos, measured a batch at a time; every batch is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from deid.defenses.adaptive import adaptive
from deid.defenses.contract import Defended
from deid.defenses.m_svdd import Detector
from deid.defenses.svdd_units import squared_distances
from deid.experiments.tables import figures
from deid.experiments.tables.data import Photos
from deid.experiments.tables.methods import METHODS
from deid.experiments.tables.pieces import Target, in_pieces
from deid.experiments.tables.task import task_of

ROWS: Mapping[str, tuple[str, int]] = {  # the name of a row → of METHODS, and K
    "l-bfgs": ("l-bfgs", 1),
    "deepfool": ("deepfool", 1),
    "c-w": ("c-w", 1),
    "1-a3": ("k-a3", 1),
    "5-a3": ("k-a3", 5),
    "9-a3": ("k-a3", 9),
    "adaptive": ("adaptive", 1),
}


@dataclass(frozen=True, eq=False)
class Answers:
    """To N attacked photos.

    distances: (N, C), of the photos at 8 bits as `squared_distances` gives them; β is chosen afterwards.
    in_float: the same before they were rounded.
    likeness: (N,), SSIM or MS-SSIM; mse: (N,), a pixel: at 8 bits.
    """

    distances: np.ndarray
    in_float: np.ndarray
    likeness: np.ndarray
    mse: np.ndarray


def title_of(row: str) -> str:
    method, K = ROWS[row]
    if method == "adaptive":
        return "K-A³ that knows the detector"
    return f"{K}-{METHODS[method].title}" if METHODS[method].by_level else METHODS[method].title


def answers_to(row: str, target: Target, detector: Detector, photos: Photos) -> Answers:
    """row: of ROWS. target: whom attacks ask that know nothing of the detector. photos: recognized when clean."""
    method, K = ROWS[row]
    settings = [target.sha256, method, detector.betas.tolist()]
    return Answers(**in_pieces("m_svdd", settings, photos, K, partial(_measured, method, target, detector)))


def _measured(
    method: str, target: Target, detector: Detector, photos: Photos, groups: np.ndarray
) -> dict[str, np.ndarray]:
    """The fields of `Answers`."""
    task = task_of(target.network, target.rough, photos.as_tensor(), *map(torch.from_numpy, (photos.labels, groups)))
    if method == "adaptive":
        deployed, followed = Defended(detector.scores), Defended(detector.unquantized)
        faces = adaptive(deployed, task.photos, task.labels, surrogate=followed).faces
    else:
        faces = METHODS[method].run(task).faces
    published = (faces * 255).round() / 255
    measured = {
        "distances": distances_of(detector, published),
        "in_float": distances_of(detector, faces),
        "likeness": target.likeness(task.photos, published),
        "mse": figures.mse(task.photos, published),
    }
    return {name: values.numpy() for name, values in measured.items()}


@torch.no_grad()
def distances_of(detector: Detector, photos: Tensor) -> Tensor:
    """(N, C), see `squared_distances`."""
    return squared_distances(detector.units, detector.classifier.layers(photos)[-1])
