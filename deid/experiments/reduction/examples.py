"""Adversarial examples by foolbox with as little noise as succeeds, and what a network answers to them."""

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from deid.defenses.contract import Defended
from deid.experiments.kept import kept_arrays
from deid.experiments.tables.data import SEED, Photos
from deid.experiments.tables.pieces import BATCH_PIXELS

EXPERIMENT = "reduction"
# L∞, of the largest change of a pixel; tried in turn.
EPSILONS = tuple(levels / 255 for levels in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128))
PGD = "PGD"


@dataclass(frozen=True, eq=False)
class Subject:
    """A network, defended or not, that is attacked and asked. key: what it comes from; make: builds it when needed."""

    key: str
    make: Callable[[], Defended]

    @cached_property
    def defended(self) -> Defended:
        return self.make()

    def answers(self, photos: Photos) -> np.ndarray:
        """int64 (N,), as `Defended.answers`; kept."""

        def ask() -> dict[str, np.ndarray]:
            parts = [self.defended.answers(piece.as_tensor()) for piece in _pieces(photos)]
            return {"answers": torch.cat(parts).numpy()}

        return kept_arrays(EXPERIMENT, [self.key, photos.digest], ask)["answers"]


@dataclass(frozen=True, eq=False)
class Examples:
    """photos: N as attacked, at 8 bits. epsilons: (N,), at which; NaN: none succeeded, and the photo is as it was."""

    photos: Photos
    epsilons: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """bool (N,)."""
        return ~np.isnan(self.epsilons)


def attacks() -> Mapping[str, Any]:
    """The study's, by foolbox."""
    import foolbox.attacks as theirs

    return {
        "FGSM": theirs.LinfFastGradientAttack(),
        "BIM": theirs.LinfBasicIterativeAttack(rel_stepsize=0.2, steps=10),
        PGD: theirs.LinfProjectedGradientDescentAttack(rel_stepsize=0.1, steps=20),
    }


def least_examples(subject: Subject, photos: Photos, attack: str) -> Examples:
    """Of each photo, as attacked at the first ε of EPSILONS that makes the subject take it for another class.

    It is asked at 8 bits. Kept, a batch at a time.
    """
    version, parts = importlib.metadata.version("foolbox"), []
    for piece in _pieces(photos):
        key = [subject.key, attack, version, EPSILONS, piece.digest]
        parts.append(kept_arrays(EXPERIMENT, key, partial(_least, subject, piece, attack)))
    pixels, epsilons = (np.concatenate([part[name] for part in parts]) for name in ("pixels", "epsilons"))
    return Examples(Photos(pixels, photos.labels), epsilons)


def moved(subject: Subject, photos: Photos, *, steps: int) -> Photos:
    """All photos after PGD of so many steps, at one of the first six ε each, whether it succeeded or not; kept."""
    import foolbox.attacks as theirs

    attack = theirs.LinfProjectedGradientDescentAttack(rel_stepsize=2.5 / steps, steps=steps)
    epsilons = np.array(EPSILONS[:6])[np.arange(len(photos)) % 6]
    pixels = np.empty_like(photos.pixels)
    for epsilon in np.unique(epsilons):
        rows, done = np.flatnonzero(epsilons == epsilon), []
        for piece in _pieces(photos[rows]):
            key = [subject.key, "moved", steps, epsilon, piece.digest]
            done.append(kept_arrays(EXPERIMENT, key, partial(_moved, subject, piece, attack, epsilon))["pixels"])
        pixels[rows] = np.concatenate(done)
    return Photos(pixels, photos.labels)


def _least(subject: Subject, photos: Photos, attack: str) -> dict[str, np.ndarray]:
    pixels, epsilons = photos.pixels.copy(), np.full(len(photos), np.nan)
    for epsilon in EPSILONS:
        still = np.flatnonzero(np.isnan(epsilons))
        if not len(still):
            break
        published = _moved(subject, photos[still], attacks()[attack], epsilon)["pixels"]
        asked = Photos(published, photos.labels[still])
        fooled = subject.defended.answers(asked.as_tensor()).numpy() != asked.labels
        pixels[still[fooled]], epsilons[still[fooled]] = published[fooled], epsilon
    return {"pixels": pixels, "epsilons": epsilons}


def _moved(subject: Subject, photos: Photos, attack: Any, epsilon: float) -> dict[str, np.ndarray]:
    """At 8 bits, as published."""
    import foolbox

    model = foolbox.PyTorchModel(_Classes(subject.defended).eval(), bounds=(0, 1), device="cpu")
    criterion = foolbox.criteria.Misclassification(torch.from_numpy(photos.labels))
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        _, faces, _ = attack(model, photos.as_tensor(), criterion, epsilons=epsilon)
    return {"pixels": (faces.detach() * 255).round().to(torch.uint8).numpy()}


class _Classes(nn.Module):
    """Photos → the logits of the classes; «adversarial» is none."""

    def __init__(self, defended: Defended) -> None:
        super().__init__()
        self.defended = defended

    def forward(self, photos: Tensor) -> Tensor:
        return self.defended.scores(photos)[:, :-1]


def _pieces(photos: Photos) -> list[Photos]:
    size = max(1, BATCH_PIXELS // (photos.pixels.shape[2] * photos.pixels.shape[3]))
    return [photos[np.arange(at, min(at + size, len(photos)))] for at in range(0, len(photos), size)]
