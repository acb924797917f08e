"""Classifiers whose least perturbations are known, and a small network for comparisons."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

GRAY = 0.5
GAP = 0.1  # in units of SCALE, by which all but the runner-up lie farther below
SCALE = 40.0  # of logits: of classes that lie together cross-entropy would follow all


@dataclass(frozen=True, eq=False)
class Linear:
    """weights: (M, C·H·W), in `linear` orthonormal. shape: (C, H, W) of a face."""

    weights: Tensor
    shape: tuple[int, int, int]

    def __call__(self, faces: Tensor, rows: Tensor | None = None) -> Tensor:
        return SCALE * (faces - GRAY).flatten(1) @ self.weights.T

    def faces_at(self, distance: float, labels: Tensor, nearest: Tensor, norm: float) -> Tensor:
        """Faces near middle gray whose nearest border is the one to `nearest`, this far in L2 or L∞."""
        normals = self.weights[nearest] - self.weights[labels]
        dual = {2.0: 2.0, torch.inf: 1.0}[norm]
        gaps = distance * normals.norm(dim=1, p=dual)
        logits = (-gaps[:, None] - GAP).expand(-1, len(self.weights)).clone()
        logits[torch.arange(len(labels)), nearest] = -gaps
        logits[torch.arange(len(labels)), labels] = 0
        return (GRAY + logits @ self.weights).view(-1, *self.shape)


def linear(classes: int, shape: tuple[int, int, int], seed: int = 0) -> Linear:
    generator = torch.Generator().manual_seed(seed)
    weights, _ = torch.linalg.qr(torch.randn(shape[0] * shape[1] * shape[2], classes, generator=generator))
    return Linear(weights.T.contiguous(), shape)


def drawn_labels(count: int, classes: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Labels, and for each another one, (N,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (count,), generator=generator)
    return labels, (labels + torch.randint(1, classes, (count,), generator=generator)) % classes


def small_network(faces: Tensor) -> nn.Module:
    """Ten classes that these faces, (N, 1, 12, 12), are spread over."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = nn.Linear(32, 10)
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(800, 32), nn.Tanh(), head
        ).requires_grad_(False)
    head.bias -= network(faces).mean(0)
    head.weight *= 3
    head.bias *= 3
    return network.eval()
