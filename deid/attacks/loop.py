"""The loop of all gradient attacks: which faces are not done, their gradients, the limit, [0, 1], the count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Attack, Attacked, LogitsFn, Objective, OnStep, ignore_step
from deid.attacks.eight_bits import rounded
from deid.attacks.row_criterion import RowCriterion
from deid.losses.visibility import Visibility


@dataclass(frozen=True, eq=False)
class Iterate:
    """The faces that are not done, at one step.

    step: from 0.
    rows: (n,), which of the batch's N faces these are.
    faces: (n, C, H, W) as they are now; clean: as they were.
    losses: the objective's terms, each (n,).
    gradients: of each term, (n, C, H, W).
    largest: how far each pixel may change, (n, 1, H, W); None: as far as it likes.
    """

    step: int
    rows: Tensor
    faces: Tensor
    clean: Tensor
    losses: tuple[Tensor, ...]
    gradients: tuple[Tensor, ...]
    largest: Tensor | None = None

    def within(self, noise: Tensor) -> Tensor:
        """Perturbations (n, C, H, W) brought within the limit, and the faces within [0, 1]."""
        if self.largest is not None:
            noise = noise.clamp(-self.largest, self.largest)
        return (self.clean + noise).clamp(0, 1) - self.clean

    @property
    def loss(self) -> Tensor:
        """Of all terms together, (n,)."""
        return torch.stack(self.losses).sum(0)

    @property
    def gradient(self) -> Tensor:
        """Of all terms together, (n, C, H, W)."""
        return torch.stack(self.gradients).sum(0)


StepRule = Callable[[Iterate], Tensor]
"""→ the perturbations (n, C, H, W) that these faces are to have next, before the limit and before [0, 1]."""

RuleFor = Callable[[Tensor, Tensor | None, Visibility | None], StepRule]
"""Clean faces (N, C, H, W), where to start from, None for the clean faces, and what is seen of a change, None for the
same everywhere → the rule of one attack on them."""


def gradient_attack(rule_for: RuleFor) -> Attack:
    """The attack whose steps follow this rule; everything else is as `contract.Attack` says."""

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
        rule = rule_for(faces, start, visibility)
        perturbed = (faces if start is None else start).clone()
        evaluations = torch.zeros(len(faces), dtype=torch.int64, device=faces.device)
        met = torch.zeros_like(evaluations, dtype=torch.bool)
        largest = None if limit is None or visibility is None else limit * visibility.limit
        active = torch.arange(len(faces), device=faces.device)
        is_met = None if criterion is None else RowCriterion(criterion, perturbed)
        for step in range(steps if criterion is None else steps + 1):
            x = perturbed[active].requires_grad_(True)
            seen = rounded(x) if eight_bits else x
            logits = logits_fn(seen, active)
            on_step(active, logits.detach() if isinstance(logits, Tensor) else tuple(part.detach() for part in logits))
            is_open = torch.ones_like(active, dtype=torch.bool)
            if is_met is not None:
                met[active] = is_met(active, seen, logits)
                is_open = ~met[active]
                if step == steps or not bool(is_open.any()):
                    break
            losses = objective(logits, labels[active], active)
            terms = tuple(term[is_open] for term in ((losses,) if isinstance(losses, Tensor) else losses))
            gradients = _gradients(terms, x)
            active = active[is_open]
            evaluations[active] += 1
            iterate = Iterate(
                step=step,
                rows=active,
                faces=x.detach()[is_open],
                clean=faces[active],
                losses=tuple(term.detach() for term in terms),
                gradients=tuple(gradient[is_open] for gradient in gradients),
                largest=None if largest is None else largest[active],
            )
            perturbed[active] = faces[active] + iterate.within(rule(iterate))
        return Attacked(rounded(perturbed) if eight_bits else perturbed, evaluations, met)

    return attack


def _gradients(terms: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Each term's own gradient to x. The graph is kept until the last: terms share how the faces were aligned."""
    return [torch.autograd.grad(term.sum(), x, retain_graph=term is not terms[-1])[0] for term in terms]
