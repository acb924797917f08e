"""What L-BFGS and Carlini-Wagner share: minimize ‖n‖² + c · loss, for the least c that still meets the criterion."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Attack, Attacked, LogitsFn, Objective, OnStep, ignore_step
from deid.attacks.eight_bits import rounded
from deid.attacks.row_criterion import RowCriterion
from deid.losses.visibility import Visibility

GROWTH = 10.0  # of c, until the criterion is met once


@dataclass(eq=False)
class Search:
    """The faces of one attack, N of them, what was found, and which c is tried next.

    clean: (N, C, H, W).
    faces: the nearest that met the criterion; of who never did, the latest that was looked at.
    low, high: between which each pixel may lie, (N, C, H, W).
    lacking: rows and faces (n, C, H, W) → the logits and what the objective makes of them, (n,).
    is_met: the criterion.
    on_step: as `contract.Attack` has it.
    eight_bits: whether faces are looked at as they are in 8 bits.
    c: (N,); the largest that was too small and the least that was not: `small`, `enough`.
    lengths: of the perturbations that met the criterion, (N,); infinite for who never did.
    evaluations: int64 (N,), for `Descend` to count.
    """

    clean: Tensor
    faces: Tensor
    low: Tensor
    high: Tensor
    lacking: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    is_met: RowCriterion
    on_step: OnStep
    eight_bits: bool
    c: Tensor
    small: Tensor = field(init=False)
    enough: Tensor = field(init=False)
    lengths: Tensor = field(init=False)
    evaluations: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.small, self.evaluations = torch.zeros_like(self.c), torch.zeros_like(self.c, dtype=torch.int64)
        self.enough, self.lengths = (torch.full_like(self.c, torch.inf) for _ in range(2))

    def look(self, rows: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """What these lack, (n,), and whether they meet the criterion, bool (n,); the nearest are kept."""
        seen = rounded(faces) if self.eight_bits else faces
        logits, lacking = self.lacking(rows, seen)
        met, seen = self.is_met(rows, seen, logits), seen.detach()
        lengths = (seen - self.clean[rows]).flatten(1).norm(dim=1).where(met, torch.inf)
        is_better = (lengths < self.lengths[rows]) | self.lengths[rows].isinf()
        self.faces[rows[is_better]] = seen[is_better]
        self.lengths[rows] = lengths.minimum(self.lengths[rows])
        self.on_step(rows, logits.detach())
        return lacking, met

    def narrow(self, rows: Tensor, found: Tensor) -> None:
        """The next c of each. found: whether this one was enough, bool (n,)."""
        c = self.c[rows]
        self.enough[rows] = self.enough[rows].where(~found, c)
        self.small[rows] = self.small[rows].where(found, c)
        between = (self.small[rows] + self.enough[rows]) / 2
        self.c[rows] = between.where(between.isfinite(), GROWTH * c)


Descend = Callable[[Search, Tensor, int], Tensor]
"""Search, rows (n,), at most so many gradient evaluations a face → whether each met the criterion with its c."""


def least_norm_attack(descend: Descend, *, searches: int, first_c: float) -> Attack:
    """The attack; it needs a criterion, or raises ValueError. Its `steps` are shared evenly among all c."""

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
        if criterion is None:
            raise ValueError("this attack looks for the least change that meets a criterion: it needs one")

        def lacking(rows: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
            logits = logits_fn(x, rows)
            terms = objective(logits, labels[rows], rows)
            if not isinstance(logits, Tensor) or not isinstance(terms, Tensor):
                raise TypeError("this attack needs one tensor of logits and one term")
            return logits, terms

        largest = torch.inf if visibility is None or limit is None else limit * visibility.limit
        search = Search(
            clean=faces,
            faces=(faces if start is None else start).clone(),
            low=(faces - largest).clamp(0, 1),
            high=(faces + largest).clamp(0, 1),
            lacking=lacking,
            is_met=RowCriterion(criterion, faces),
            on_step=on_step,
            eight_bits=eight_bits,
            c=faces.new_full((len(faces),), first_c),
        )
        everyone = torch.arange(len(faces), device=faces.device)
        with torch.no_grad():
            _, is_done = search.look(everyone, search.faces)
        rows, tries = everyone[~is_done], min(searches, steps)
        for _ in range(tries if len(rows) else 0):
            search.narrow(rows, descend(search, rows, steps // tries))
        return Attacked(search.faces, search.evaluations, search.lengths.isfinite())

    return attack
