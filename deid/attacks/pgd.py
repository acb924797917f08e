"""PGD: Projected Gradient Descent from a random start (Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018).

L∞: BIM's steps. L2: steps along the gradient, all as long, and back into the ball of radius ε around the clean face.
The clean face itself is looked at first, so that one that is done stays as it is: that costs an evaluation, and the
random start is the first step. A face that has been perturbed before goes on from there.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from deid.attacks.bim import largest_of, sign_step
from deid.attacks.contract import Attack, Attacked, LogitsFn
from deid.attacks.draws import generator_of
from deid.attacks.loop import Iterate, gradient_attack

Draw = Callable[[Iterate, torch.Generator], Tensor]
"""→ random perturbations (n, C, H, W) of these faces."""


def pgd_linf(*, radius: float = 8 / 255, share: float = 1 / 30) -> Attack:
    """radius: ε, of every pixel's change in [0, 1]; a limit takes its place. share: a step, in units of ε."""

    def draw(at: Iterate, generator: torch.Generator) -> Tensor:
        return (2 * torch.rand(at.clean.shape, generator=generator) - 1).to(at.clean) * largest_of(at, radius)

    return _from_random_start(draw, lambda at: sign_step(at, radius, share))


def pgd_l2(*, radius: float = 2.0, share: float = 1 / 40) -> Attack:
    """radius: ε, of a change's length with pixels in [0, 1]. share: a step, in units of ε."""

    def draw(at: Iterate, generator: torch.Generator) -> Tensor:
        """Evenly in the ball (of as many dimensions as a face has pixels)."""
        noise = torch.randn(at.clean.shape, generator=generator).to(at.clean)
        distance = torch.rand(len(noise), 1, 1, 1, generator=generator).to(at.clean) ** (1 / noise[0].numel())
        return radius * distance * _unit(noise)

    def step(at: Iterate) -> Tensor:
        noise = at.faces - at.clean - share * radius * _unit(at.gradient)
        return noise * (radius / _length(noise)).clamp(max=1)

    return _from_random_start(draw, step)


def _from_random_start(draw: Draw, step: Callable[[Iterate], Tensor]) -> Attack:
    def attack(
        logits_fn: LogitsFn, faces: Tensor, labels: Tensor, *, seed: int | None = None, **asked: Any
    ) -> Attacked:
        generator = generator_of(seed)

        def rule(at: Iterate) -> Tensor:
            if at.step:
                return step(at)
            is_clean = (at.faces == at.clean).flatten(1).all(1)[:, None, None, None]
            return draw(at, generator).where(is_clean, step(at))

        return gradient_attack(lambda *_: rule)(logits_fn, faces, labels, **asked)

    return attack


def _length(maps: Tensor) -> Tensor:
    """(n, C, H, W) → (n, 1, 1, 1)."""
    return maps.flatten(1).norm(dim=1)[:, None, None, None].clamp(min=1e-12)


def _unit(maps: Tensor) -> Tensor:
    return maps / _length(maps)
