"""Muon: momentum, orthogonalized (K. Jordan and others, «Muon: An optimizer for hidden layers», 2024).

In float32, and for convolutions: their weights are the matrix (out, in × height × width).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

# The quintic Newton-Schulz iteration of the publication: it pushes every singular value towards 1 (0.7 to 1.2).
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Every step moves a weight by `lr` × the orthogonalized Nesterov momentum of its gradient.

    parameters: weights of two dimensions or more, or groups of them. Each step's singular values are about `lr`, for a
    matrix that is higher than wide × √(height / width). Raises ValueError for a closure.
    """

    def __init__(self, parameters: Iterable[Any], lr: float, momentum: float = 0.9) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                nesterov = weight.grad + group["momentum"] * state["momentum"]
                matrix = orthogonalized(nesterov.flatten(1))
                scale = max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
                weight.add_(matrix.reshape(weight.shape), alpha=-group["lr"] * scale)


def orthogonalized(matrix: Tensor) -> Tensor:
    """A matrix (m, n) with its singular vectors and singular values near 1."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = _A * x + (_B * gram + _C * gram @ gram) @ x
    return x if wide else x.T
