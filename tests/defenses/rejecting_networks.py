"""A small classifier of three layers, and photos that it tells apart."""

import torch
from torch import Tensor, nn

from deid.defenses.contract import Classifier

CLASSES = 4
SHAPE = (1, 6, 6)


def photos_of(each: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`each` photos of every class, around its pattern, and their labels."""
    patterns = 0.2 + 0.6 * torch.rand(CLASSES, *SHAPE, generator=torch.Generator().manual_seed(9))
    labels = torch.arange(CLASSES).repeat(each)
    noise = torch.randn(len(labels), *SHAPE, generator=torch.Generator().manual_seed(seed))
    return (patterns[labels] + 0.05 * noise).clamp(0, 1), labels


def classifier_of(layers: int = 3) -> Classifier:
    """Random layers, and prototypes of the classes in the last: it is right about all of `photos_of`."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = [nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.Tanh())]
        parts += [nn.Sequential(nn.Linear(24, 24), nn.Tanh()) for _ in range(layers - 1)]
    nn.ModuleList(parts).requires_grad_(False)

    def features(photos: Tensor) -> tuple[Tensor, ...]:
        made = [parts[0](photos)]
        for part in parts[1:]:
            made.append(part(made[-1]))
        return tuple(made)

    clean, labels = photos_of(8, seed=5)
    last = features(clean)[-1]
    prototypes = torch.stack([last[labels == label].mean(0) for label in range(CLASSES)])

    def logits(photos: Tensor) -> Tensor:
        return -20 * (features(photos)[-1][:, None] - prototypes).square().sum(2)

    return Classifier(logits, features)
