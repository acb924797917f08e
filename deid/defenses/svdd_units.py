"""Support vector data description, a unit for each class (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020).

A unit is a ball of radius R around the center Σ u_m φ(o_m), in the space that an RBF kernel's φ maps to:
‖φ(x) − center‖² = k(x, x) − 2 k̃ᵀu + uᵀK̃u, with k̃_m = k(x, o_m) and K̃ the kernel matrix of the o_m. The projection
vectors o_m are the same for all units.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.errors import UsageError

VECTORS = 128  # M, as the paper has it for faces
RATE = 0.01  # Adam's
BATCH = 1024  # features
LOOK_EVERY = 20  # steps
# Converged is a loss of so little, or one that so many looks have not brought down by that share.
CONVERGED = 1e-4
PATIENCE, LEAST_GAIN = 5, 0.02
MOST_STEPS = 2000


@dataclass(frozen=True, eq=False)
class Units:
    """vectors: O, (M, D). coefficients: u, (C, M), of each of the C classes. radii: R, (C,), positive.

    width: σ of the kernel exp(−‖x − y‖² / 2σ²), (), in units of the features.
    """

    vectors: Tensor
    coefficients: Tensor
    radii: Tensor
    width: Tensor


def squared_distances(units: Units, features: Tensor) -> Tensor:
    """‖φ(x) − center‖² / R² of each unit, (N, C): at most 1 within a ball. Differentiable.

    features: (N, D), as many as the units have learned from. Raises UsageError for others.
    """
    if features.ndim != 2 or features.shape[1] != units.vectors.shape[1]:
        raise UsageError(f"the units are of {units.vectors.shape[1]} features, not of {tuple(features.shape)}")
    with torch.autocast(features.device.type, enabled=False):  # differences of the kernel are small
        features = features.float() if features.dtype == torch.bfloat16 else features
        projected = _kernel(features, units.vectors, units.width) @ units.coefficients.T
        among = _kernel(units.vectors, units.vectors, units.width)
        own = ((units.coefficients @ among) * units.coefficients).sum(1)
        return (1 - 2 * projected + own) / units.radii.square()


def learned_units(features: Tensor, labels: Tensor, *, seed: int) -> Units:
    """Units that hold their classes' features, then also keep out the others'.

    features: (N, D); labels: int64 (N,), every class from 0 to C − 1 among them; seed: which features the projection
    vectors start from, as many of each class.

    σ is the features' root mean squared distance. Adam makes the hinge losses' means over positives and over
    negatives small, the former alone first; the paper gives no weights and no optimizer.
    """
    generator = torch.Generator().manual_seed(seed)
    width = (2 * features.var(0, correction=0).sum()).sqrt().clamp(min=1e-12)
    features = features.detach() / width
    own = F.one_hot(labels).bool()
    vectors = features[_some_of_each(labels, own.shape[1], generator)].clone()
    units = Units(vectors, *_around(vectors, features, own), features.new_ones(()))
    for with_others in (False, True):
        _descend(units, features, own, with_others, generator)
    return Units(units.vectors.detach() * width, units.coefficients.detach(), units.radii.detach().abs(), width)


def _kernel(x: Tensor, y: Tensor, width: Tensor) -> Tensor:
    squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return (-squares.clamp(min=0) / (2 * width.square())).exp()


def _some_of_each(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """Rows of VECTORS features or a few more; fewer where a class has no more."""
    share = -(-VECTORS // classes)
    order = torch.randperm(len(labels), generator=generator)
    return torch.cat([order[labels[order] == label][:share] for label in range(classes)])


def _around(vectors: Tensor, features: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients and radii to start from: the mean of the class's own vectors, and half of the class inside."""
    nearest = torch.cdist(vectors, features).argmin(1)
    chosen = own[nearest].T.to(features.dtype)
    coefficients = chosen / chosen.sum(1, keepdim=True).clamp(min=1)
    radius = features.new_ones(own.shape[1])
    squares = squared_distances(Units(vectors, coefficients, radius, features.new_ones(())), features)
    medians = [squares[own[:, label], label].median() for label in range(own.shape[1])]
    return coefficients, torch.stack(medians).clamp(min=1e-6).sqrt()


def _descend(units: Units, features: Tensor, own: Tensor, with_others: bool, generator: torch.Generator) -> None:
    """In place, until it converges."""
    parameters = [units.vectors, units.coefficients, units.radii]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer, least, since = torch.optim.Adam(parameters, lr=RATE), torch.inf, 0
    for step in range(MOST_STEPS):
        if step % LOOK_EVERY == 0:
            with torch.no_grad():
                loss = float(_hinges(units, features, own, with_others))
            least, since = (loss, 0) if loss < (1 - LEAST_GAIN) * least else (least, since + 1)
            if loss <= CONVERGED or since == PATIENCE:
                return
        rows = torch.randperm(len(features), generator=generator)[:BATCH]
        optimizer.zero_grad()
        _hinges(units, features[rows], own[rows], with_others).backward()
        optimizer.step()


def _hinges(units: Units, features: Tensor, own: Tensor, with_others: bool) -> Tensor:
    """How far positives lie outside and negatives inside, in the kernel's squared distances, each kind on average."""
    outside = (squared_distances(units, features) - 1) * units.radii.square()
    loss = (outside.relu() * own).sum() / own.sum()
    return loss + ((-outside).relu() * ~own).sum() / (~own).sum() if with_others else loss
