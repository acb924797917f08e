"""One-vs-rest support vector machines with a Gaussian kernel: scikit-learn fits them, torch asks them.

s_c(x) = Σᵢ α_ic K(x, xᵢ) + b_c with K(x, xᵢ) = exp(−γ ‖x − xᵢ‖²), so ∇ₓK = −2γ (x − xᵢ) K.
"""

import importlib.util
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deid.errors import UsageError, how_to_install

# γ of Thanthulage's study, for features whose total variance is VARIANCE. Those of a network's layers have scales of
# their own: unscaled, one γ would see no differences in one layer and nothing else in another.
GAMMA, VARIANCE = 0.01, 100.0
# The study's is 0.1, for machines of many thousands of photos. Of a few photos α ≤ C would be so small that the
# intercepts alone decide.
C = 10.0
# Of γ‖x − xᵢ‖² to the nearest support vector. Much farther out gradients are 0 in float32, or to an attack's steps.
FAR = 10.0


@dataclass(frozen=True, eq=False)
class KernelMachines:
    """M machines over points of D dimensions. All in float64.

    support: (S, D), the xᵢ, of all machines together; coefficients: (S, M), α; intercepts: (M,), b.
    gamma: γ.
    """

    support: Tensor
    coefficients: Tensor
    intercepts: Tensor
    gamma: float

    def scores(self, points: Tensor) -> Tensor:
        """(N, M), of the points' own type, computed in float64; points: (N, D).

        Gradients are exact where the nearest support vector is no farther than γ‖x − xᵢ‖² = FAR. Farther out they keep
        their direction, and as much of their length as there is at FAR: an attack is not to fail for lack of digits.
        """
        exponents = self.gamma * _squared_distances(points.double(), self.support.to(points.device))
        kernel = torch.exp(-exponents)
        beyond = (exponents.detach().amin(1, keepdim=True) - FAR).clamp(min=0)
        if bool((beyond > 0).any()):
            nearer = torch.exp(beyond - exponents)
            kernel = kernel.detach() + (nearer - nearer.detach())  # K's values, the gradients of e^beyond K
        return (kernel @ self.coefficients.to(points.device) + self.intercepts.to(points.device)).to(points.dtype)


def learn(points: Tensor, labels: Tensor, classes: int) -> KernelMachines:
    """A machine for each class against all others, which weigh as much as it.

    points: (N, D); labels: int64 (N,), each of the classes at least once.

    Raises UsageError for shapes that do not belong together, and without scikit-learn.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise UsageError(f"this needs scikit-learn: {how_to_install('defenses')}")
    if points.ndim != 2 or labels.shape != points.shape[:1]:
        raise UsageError(f"points (N, D) and a label each, not {tuple(points.shape)} and {tuple(labels.shape)}")
    from sklearn.svm import SVC

    points = points.detach().double().cpu()
    gamma = gamma_of(points)
    kernel = torch.exp(-gamma * _squared_distances(points, points)).numpy()
    coefficients, intercepts = np.zeros((len(points), classes)), np.zeros(classes)
    for label in range(classes):
        machine = SVC(C=C, kernel="precomputed", class_weight="balanced").fit(kernel, (labels == label).cpu().numpy())
        coefficients[machine.support_, label] = machine.dual_coef_[0]
        intercepts[label] = machine.intercept_[0]
    used = coefficients.any(1)
    return KernelMachines(
        points[torch.from_numpy(used)], torch.from_numpy(coefficients[used]), torch.from_numpy(intercepts), gamma
    )


def gamma_of(points: Tensor) -> float:
    """γ for points (N, D) as they are. Raises UsageError where they are all the same."""
    variance = float(points.double().var(0, correction=0).sum())
    if not variance:
        raise UsageError("all points are the same: there is nothing to learn")
    return GAMMA * VARIANCE / variance


def _squared_distances(points: Tensor, others: Tensor) -> Tensor:
    """(N, S)."""
    products = points @ others.T
    return (points.square().sum(1, keepdim=True) + others.square().sum(1) - 2 * products).clamp(min=0)
