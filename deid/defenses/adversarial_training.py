"""Training on attacked photos: by one step, against an adversary, or on what an attack has found.

The FGS objective (Goodfellow, Shlens, Szegedy, ICLR 2015, section 6), PGD training (Madry, Makelov, Schmidt, Tsipras,
Vladu, ICLR 2018), and retraining on found examples (Szegedy and others, ICLR 2014).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.attacks.contract import Attack
from deid.attacks.eight_bits import rounded
from deid.defenses.adaptive import adaptive
from deid.defenses.undefended import undefended

ADVERSARY_STEPS = 7


@dataclass(frozen=True)
class FGS:
    """α L(x) + (1 − α) L(x + ε sign ∇ₓL(x)), where L is cross-entropy and the moved photos stay in [0, 1].

    radius: ε, of every pixel's change. alpha: the clean photos' share of the loss; the paper's is a half.
    """

    radius: float
    alpha: float = 0.5

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        x = inputs.detach().requires_grad_(True)
        clean = F.cross_entropy(network(x).float(), labels)
        gradient = torch.autograd.grad(clean, x, retain_graph=True)[0]
        moved = (inputs + self.radius * gradient.sign()).clamp(0, 1)
        return self.alpha * clean + (1 - self.alpha) * F.cross_entropy(network(moved).float(), labels)


def adversarial(network: nn.Module, photos: Tensor, labels: Tensor, radius: float, rng: np.random.Generator) -> Tensor:
    """Photos (n, C, H, W) moved by at most `radius` (L2) to where the loss is large, for PGD training.

    Projected gradient ascent from a random start; in [0, 1] again.
    """
    noise = torch.from_numpy(rng.standard_normal(photos.shape, np.float32))
    noise = _within(noise, float(rng.uniform()) * radius, exactly=True)
    for _ in range(ADVERSARY_STEPS):
        x = (photos + noise).clamp(0, 1).requires_grad_(True)
        gradient = torch.autograd.grad(F.cross_entropy(network(x), labels, reduction="sum"), x)[0]
        step = _within(gradient, 2.5 * radius / ADVERSARY_STEPS, exactly=True)
        noise = _within(x.detach() + step - photos, radius)
    return (photos + noise).clamp(0, 1)


def found_examples(
    logits: Callable[[Tensor], Tensor], photos: Tensor, labels: Tensor, attack: Attack, *, steps: int, seed: int
) -> tuple[Tensor, Tensor]:
    """What the attack finds that the network mistakes, at 8 bits, and its true labels: to retrain on, beside the clean.

    logits: photos → (N, M). photos: (N, C, H, W) in [0, 1]; labels: (N,). Returns (n, C, H, W) and (n,), n ≤ N;
    photos that are mistaken when clean are among them as they are.
    """
    attacked = adaptive(undefended(logits), photos, labels, attack=attack, steps=steps, seed=seed)
    return rounded(attacked.faces[attacked.met]), labels[attacked.met]


def _within(maps: Tensor, radius: float, exactly: bool = False) -> Tensor:
    """Each of the maps (n, C, H, W) brought to a norm of at most, or exactly, `radius`."""
    norms = maps.flatten(1).norm(dim=1).clamp(min=1e-12)[:, None, None, None]
    return maps * (radius / norms if exactly else (radius / norms).clamp(max=1))
