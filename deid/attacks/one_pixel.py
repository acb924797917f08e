"""One-pixel attack (Su, Vargas, Sakurai, IEEE TEC 23, 2019), L0: differential evolution, which needs no gradient.

A candidate is a place and its new color, or several of them. scipy evolves them as the paper does: DE/rand/1 with
F = 0.5 and no crossover. Those that the objective finds better live on; the paper's is `classification.cross_entropy`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Attack, Attacked, LogitsFn, Objective, OnStep, ignore_step
from deid.attacks.eight_bits import rounded
from deid.attacks.row_criterion import RowCriterion
from deid.losses.visibility import Visibility


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Of N faces (N, C, H, W), as genes (D, P): P candidates for one of them, row (1,).

    faces: where they begin; low, high: between which each pixel may lie.
    loss: faces and rows → what is to be small, (n,).
    """

    faces: Tensor
    low: Tensor
    high: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    eight_bits: bool

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Of the genes of one pixel: its place, and its color."""
        return [*((0.0, float(side)) for side in self.faces.shape[2:]), *[(0.0, 1.0)] * self.faces.shape[1]]

    def faces_of(self, genes: np.ndarray, row: Tensor) -> Tensor:
        """(P, C, H, W)."""
        x = self.faces[row].repeat(genes.shape[1], 1, 1, 1)
        for pixel in torch.from_numpy(genes).to(x).split(len(self.bounds)):
            down, across = (at.long().clamp(max=side - 1) for at, side in zip(pixel, x.shape[2:], strict=False))
            x[torch.arange(len(x)), :, down, across] = pixel[2:].T
        x = x.clamp(self.low[row], self.high[row])
        return rounded(x) if self.eight_bits else x

    @torch.no_grad()
    def losses_of(self, genes: np.ndarray, row: Tensor) -> np.ndarray:
        """(P,)."""
        x = self.faces_of(genes, row)
        return self.loss(x, row.expand(len(x))).cpu().numpy()


def one_pixel(*, pixels: int = 1, population: int = 400) -> Attack:
    """The attack; its `steps` are generations, and no gradient is evaluated.

    pixels: that may change. population: candidates of a generation, about.
    """

    def attack(
        logits_fn: LogitsFn,
        faces: Tensor,
        labels: Tensor,
        *,
        objective: Objective,
        criterion: Criterion | None,
        steps: int,
        start: Tensor | None = None,
        visibility: Visibility | None = None,
        limit: float | None = None,
        eight_bits: bool = False,
        seed: int | None = None,
        on_step: OnStep = ignore_step,
    ) -> Attacked:
        perturbed = (faces if start is None else start).clone()
        perturbed = rounded(perturbed) if eight_bits else perturbed
        largest = torch.inf if visibility is None or limit is None else limit * visibility.limit
        is_met = None if criterion is None else RowCriterion(criterion, perturbed)
        rng = np.random.default_rng(seed)

        def loss(x: Tensor, rows: Tensor) -> Tensor:
            losses = objective(logits_fn(x, rows), labels[rows], rows)
            if not isinstance(losses, Tensor):
                raise TypeError("this attack needs one term")
            return losses

        low, high = (faces - largest).clamp(0, 1), (faces + largest).clamp(0, 1)
        candidates = _Candidates(perturbed.clone(), low, high, loss, eight_bits)

        @torch.no_grad()
        def look(rows: Tensor, x: Tensor) -> Tensor:
            """Which are done, bool (n,)."""
            logits = logits_fn(x, rows)
            on_step(rows, logits)
            return torch.zeros_like(rows, dtype=torch.bool) if is_met is None else is_met(rows, x, logits)

        rows = torch.arange(len(faces), device=faces.device)
        met = look(rows, perturbed)
        for row in rows[~met].split(1) if steps else ():
            perturbed[row] = _evolved(candidates, row, look, steps, pixels, population, rng)
            met[row] = look(row, perturbed[row])
        return Attacked(perturbed, torch.zeros_like(rows), met)

    return attack


def _evolved(
    candidates: _Candidates,
    row: Tensor,
    look: Callable[[Tensor, Tensor], Tensor],
    generations: int,
    pixels: int,
    population: int,
    rng: np.random.Generator,
) -> Tensor:
    """One face, (1, C, H, W), with the best of all its candidates. look: which faces of rows are done."""

    def is_done(genes: np.ndarray, convergence: float) -> bool:
        return bool(look(row, candidates.faces_of(genes[:, None], row)))

    bounds = candidates.bounds * pixels
    best = differential_evolution(
        candidates.losses_of,
        bounds,
        args=(row,),
        strategy="rand1bin",
        maxiter=generations,
        popsize=max(1, population // len(bounds)),
        mutation=0.5,
        recombination=1.0,
        tol=0.0,
        polish=False,
        vectorized=True,
        updating="deferred",
        callback=is_done,
        rng=rng,
    )
    return candidates.faces_of(best.x[:, None], row)
