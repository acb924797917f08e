import importlib.util

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC
from torch import Tensor

from deid.defenses.kernel_machines import FAR, GAMMA, VARIANCE, C, KernelMachines, gamma_of, learn
from deid.errors import UsageError


def points_of(n: int, seed: int = 0, size: int = 5) -> tuple[Tensor, Tensor]:
    """Three overlapping classes, float64."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centers = torch.randn(3, size, generator=generator, dtype=torch.float64)
    return centers[labels] + torch.randn(n, size, generator=generator, dtype=torch.float64), labels


def one_support(gamma: float = 0.5) -> KernelMachines:
    """s(x) = K(x, 0)."""
    return KernelMachines(*(torch.tensor(values).double() for values in ([[0.0, 0.0]], [[1.0]], [0.0])), gamma)


@settings(max_examples=15)
@given(n=st.integers(6, 40), seed=st.integers(0, 1000), scale=st.sampled_from([0.01, 1.0, 300.0]))
def test_scores_are_those_of_scikit_learn(n: int, seed: int, scale: float) -> None:
    points, labels = points_of(n, seed)
    points = scale * points + 7 * scale
    asked = scale * points_of(9, seed + 1)[0] + 7 * scale
    machines = learn(points, labels, 3)
    for label in range(3):
        machine = SVC(C=C, gamma=gamma_of(points), class_weight="balanced").fit(points, labels == label)
        expected = machine.decision_function(asked)
        np.testing.assert_allclose(machines.scores(asked)[:, label], expected, atol=2e-3)
        same = KernelMachines(
            *map(torch.from_numpy, (machine.support_vectors_, machine.dual_coef_.T, machine.intercept_)), machine.gamma
        )
        np.testing.assert_allclose(same.scores(asked)[:, 0], expected, atol=1e-9)


def test_float32_is_asked_and_answered() -> None:
    points, labels = points_of(30)
    machines = learn(points, labels, 3)
    scores = machines.scores(points.float())
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores.double(), machines.scores(points), atol=1e-5, rtol=0)


def test_gradients_of_the_kernel() -> None:
    """∇K = −2γ (x − xᵢ) K, through autograd and by differences."""
    points, labels = points_of(30)
    machines = learn(points, labels, 3)
    x = points_of(4, seed=3)[0].requires_grad_(True)
    away = x.detach()[:, None] - machines.support
    kernel = torch.exp(-machines.gamma * away.square().sum(2))
    expected = -2 * machines.gamma * torch.einsum("nsd,ns,sm->nmd", away, kernel, machines.coefficients)
    for column in range(3):
        (gradient,) = torch.autograd.grad(machines.scores(x)[:, column].sum(), x)
        torch.testing.assert_close(gradient, expected[:, column])
    assert torch.autograd.gradcheck(machines.scores, (x,))


@pytest.mark.parametrize("distance", [1.0, 10.0, 1e3, 1e6])
def test_far_from_all_supports_gradients_still_show_the_way(distance: float) -> None:
    x = torch.tensor([[0.6, -0.8]]) * distance
    x.requires_grad_(True)
    scores = one_support().scores(x)
    (gradient,) = torch.autograd.grad(scores.sum(), x)
    assert scores.item() == pytest.approx(np.exp(-0.5 * distance**2), rel=1e-5), "the value is the kernel's"
    torch.testing.assert_close(gradient / gradient.norm(), -x.detach() / distance)
    size = distance * np.exp(-min(0.5 * distance**2, FAR))  # 2γ ‖x‖ K, with no smaller a K than at FAR
    assert float(gradient.norm()) == pytest.approx(size, rel=1e-5)


@settings(max_examples=25)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_features_of_any_scale_are_alike(scale: float, shift: float) -> None:
    points, _ = points_of(12)
    assert gamma_of(scale * points + shift) == pytest.approx(gamma_of(points) / scale**2, rel=1e-6)
    assert gamma_of(points * (VARIANCE / points.var(0, correction=0).sum()).sqrt()) == pytest.approx(GAMMA)


def test_what_cannot_be_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    points, labels = points_of(6)
    with pytest.raises(UsageError, match="a label each"):
        learn(points, labels[:-1], 3)
    with pytest.raises(UsageError, match="a label each"):
        learn(points[0], labels, 3)
    with pytest.raises(UsageError, match="the same"):
        learn(torch.ones_like(points), labels, 3)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs scikit-learn: .*\[defenses\]"):
        learn(points, labels, 3)
