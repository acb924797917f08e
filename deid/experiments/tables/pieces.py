"""A row, measured a batch at a time; every batch is kept, so that an interrupted row goes on where it was."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from deid.anonymity.groups import draw_groups, seeded_rng
from deid.experiments.kept import kept_arrays
from deid.experiments.tables import figures
from deid.experiments.tables.data import SEED, Photos
from deid.experiments.tables.methods import METHODS, Method
from deid.experiments.tables.task import task_of

BATCH_PIXELS = 16 * 128 * 128  # of all photos of a batch, a channel

Measure = Callable[[Photos, np.ndarray], dict[str, np.ndarray]]
"""Photos and the rank k that each is to take, (n,) → arrays (n, …) by name."""


@dataclass(frozen=True, eq=False)
class Row:
    """N photos as one method left them; each field but `published` is (N,).

    published: uint8 (N, C, H, W).
    groups: the rank k that each was to take.
    ranks, ranks_in_float: that each took, as published and before it was rounded to 8 bits.
    likeness: SSIM or MS-SSIM, in [0, 1]; cw_ssim, mse: as in `figures`.
    evaluations: of gradients.
    seconds: of the processor's time, its cores together.
    """

    published: np.ndarray
    groups: np.ndarray
    ranks: np.ndarray
    ranks_in_float: np.ndarray
    likeness: np.ndarray
    cw_ssim: np.ndarray
    mse: np.ndarray
    evaluations: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True, eq=False)
class Target:
    """A classifier under attack. rough: as in `Task`; sha256: of the network."""

    network: nn.Module
    rough: nn.Module
    likeness: figures.Figure
    sha256: str


def measure_row(
    target: Target,
    photos: Photos,
    method: str,
    K: int,
    *,
    methods: Mapping[str, Method] = METHODS,
    experiment: str = "tables",
) -> Row:
    """All photos by one method; they are recognized when clean.

    method: of `methods`, under a name that tells it from others of the experiment.
    K: of the ranks 2..K+1 that they are spread over.
    """
    measure = partial(_measure, target, methods[method])
    return Row(**in_pieces(experiment, [target.sha256, method], photos, K, measure))


def in_pieces(experiment: str, settings: list[Any], photos: Photos, K: int, measure: Measure) -> dict[str, np.ndarray]:
    """What `measure` makes of all photos, a batch of them at a time, each kept.

    settings: what it depends on beside the photos and their groups. K: of the ranks 2..K+1 that they are spread over.
    """
    groups = np.array(draw_groups(len(photos), K, seeded_rng(SEED)))
    size = max(1, BATCH_PIXELS // (photos.pixels.shape[2] * photos.pixels.shape[3]))
    pieces = []
    for at in range(0, len(photos), size):
        piece = photos[np.arange(at, min(at + size, len(photos)))]
        of_piece = groups[at : at + size]
        key = [*settings, piece.digest, of_piece.tolist()]
        pieces.append(kept_arrays(experiment, key, partial(measure, piece, of_piece)))
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _measure(target: Target, method: Method, photos: Photos, groups: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of `Row`."""
    task = task_of(target.network, target.rough, photos.as_tensor(), *map(torch.from_numpy, (photos.labels, groups)))
    since = time.process_time()
    attacked = method.run(task)
    seconds = (time.process_time() - since) / len(photos)
    pixels = (attacked.faces * 255).round()
    published = pixels / 255
    measured = {
        "ranks": task.ranks(published),
        "ranks_in_float": task.ranks(attacked.faces),
        "likeness": target.likeness(task.photos, published),
        "cw_ssim": figures.cw_ssim(task.photos, published),
        "mse": figures.mse(task.photos, published),
        "evaluations": attacked.evaluations,
        "seconds": torch.full((len(photos),), seconds),
    }
    return {
        "published": pixels.to(torch.uint8).numpy(),
        "groups": groups,
        **{name: values.numpy() for name, values in measured.items()},
    }
