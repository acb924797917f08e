"""One-pixel attack (Su, Vargas, Sakurai, IEEE TEC 23, 2019), L0: differential evolution, which needs no gradient.

A candidate is a place and its new color, or several of them. scipy evolves them as the paper does: DE/rand/1 with
F = 0.5 and no crossover. Those that the objective finds better live on; the paper's is `classification.cross_entropy`.
"""

import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Attack, Attacked, LogitsFn, Objective, OnStep, ignore_step
from deid.attacks.eight_bits import rounded
from deid.attacks.row_criterion import RowCriterion
from deid.losses.visibility import Visibility


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
        low, high = (faces - largest).clamp(0, 1), (faces + largest).clamp(0, 1)
        is_met = None if criterion is None else RowCriterion(criterion, perturbed)
        rng = np.random.default_rng(seed)
        bounds = [*((0, side) for side in faces.shape[2:]), *[(0, 1)] * faces.shape[1]]

        @torch.no_grad()
        def look(rows: Tensor, x: Tensor) -> Tensor:
            """Which are done, bool (n,)."""
            logits = logits_fn(x, rows)
            on_step(rows, logits)
            return torch.zeros_like(rows, dtype=torch.bool) if is_met is None else is_met(rows, x, logits)

        def evolve(row: Tensor) -> Tensor:
            """One face, (1, C, H, W), with the best of all candidates."""

            def faces_of(genes: np.ndarray) -> Tensor:
                """(D, P) → (P, C, H, W)."""
                x = perturbed[row].repeat(genes.shape[1], 1, 1, 1)
                for pixel in torch.from_numpy(genes).to(x).split(len(bounds)):
                    down, across = (at.long().clamp(max=side - 1) for at, side in zip(pixel, x.shape[2:], strict=False))
                    x[torch.arange(len(x)), :, down, across] = pixel[2:].T
                x = x.clamp(low[row], high[row])
                return rounded(x) if eight_bits else x

            @torch.no_grad()
            def losses_of(genes: np.ndarray) -> np.ndarray:
                x = faces_of(genes)
                rows = row.expand(len(x))
                losses = objective(logits_fn(x, rows), labels[rows], rows)
                if not isinstance(losses, Tensor):
                    raise TypeError("this attack needs one term")
                return losses.cpu().numpy()

            def is_done(genes: np.ndarray, convergence: float) -> bool:
                return bool(look(row, faces_of(genes[:, None])))

            best = differential_evolution(
                losses_of,
                bounds * pixels,
                strategy="rand1bin",
                maxiter=steps,
                popsize=max(1, population // (len(bounds) * pixels)),
                mutation=0.5,
                recombination=1.0,
                tol=0.0,
                polish=False,
                vectorized=True,
                updating="deferred",
                callback=is_done,
                rng=rng,
            )
            return faces_of(best.x[:, None])

        rows = torch.arange(len(faces), device=faces.device)
        met = look(rows, perturbed)
        for row in rows[~met].split(1) if steps else ():
            perturbed[row] = evolve(row)
            met[row] = look(row, perturbed[row])
        return Attacked(perturbed, torch.zeros_like(rows), met)

    return attack
