"""K-A³: K-Anonymity-inspired Adversarial Attack (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020).

For a face of rank group k it minimizes, eq. 7,

    ‖n‖₂ + (1 − CWSSIM(x, x̃)) + Σ_{i=2..k} L(f(x̃), r(i)),

stopped as soon as the criterion holds. Departures from the paper: L is a hinge with a margin on both sides of y
(`ranking_loss`); a step is as long as the linearized hinge asks for (Polyak's step) instead of a fixed rate, so
that a face is done in a dozen evaluations; and ‖n‖ is measured relative to what the face hides (`tolerance`), because
n on smooth skin looks like scars.
"""

import torch
from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.ranking import LogitsFn, ranking_loss
from deid.losses.cw_ssim import cw_ssim_of_subbands
from deid.losses.local_contrast import tolerance, visible_limit
from deid.losses.steerable_pyramid import subbands

# Shares of Polyak's step: a little short at first for little noise, over-relaxed later for the faces that are hard to
# settle. Over 14 photos a first share of 0.8 with a decay of 0.75 takes 15 evaluations at SSIM 0.988; 0.35 with 0.9
# takes 39 at 0.992.
FIRST_STRIDE, STRIDE_GROWTH, LAST_STRIDE = 0.8, 1.06, 1.6
# The visual terms lose weight a step, or they would hold a face back for long.
VISUAL_DECAY = 0.75


def k_a3(
    logits_fn: LogitsFn,
    faces: Tensor,
    labels: Tensor,
    *,
    targets: Tensor,
    criterion: Criterion,
    margin: float,
    steps: int,
    ceiling: float | None = None,
    exact: Tensor | bool = True,
    start: Tensor | None = None,
    limit: float | None = None,
    visual_weight: float = 1.0,
    counts: Tensor | None = None,
) -> Tensor:
    """Perturbed faces (N, C, H, W) in [0, 1]; whether each succeeded is for the caller to recompute.

    faces: (N, C, H, W) clean, in [0, 1]. labels: (N,) y. targets: (N, T) r(2..k), padded with -1. criterion: the stop.
    margin: of the hinge, in logits. steps: at most so many gradient evaluations a face. ceiling, exact: see
    `ranking_loss`. start: where to go on from (default: the clean faces). limit: of every
    pixel's change, in units of `visible_limit`. visual_weight: pull of the two visual terms
    against the ranking's, at equal gradients; without it (0) ‖n‖ is plain. counts: (N,) int64, to which each face's
    gradient evaluations are added.
    """
    perturbed = (faces if start is None else start).clone()
    active = torch.arange(len(faces), device=faces.device)
    clean_bands = subbands(faces)
    room = tolerance(faces) if visual_weight else torch.ones_like(faces)
    largest = None if limit is None else limit * visible_limit(faces)
    seen: Tensor | None = None
    for step in range(steps + 1):
        x = perturbed[active].requires_grad_(True)
        logits = logits_fn(x, active)
        if seen is None:
            seen = logits.detach().clone()
        else:
            seen[active] = logits.detach()
        open_ = ~criterion(perturbed, seen)[active]
        if step == steps or not bool(open_.any()):
            break
        exactly = exact[active] if isinstance(exact, Tensor) else exact
        loss = ranking_loss(logits, labels[active], targets[active], margin, ceiling, exactly)
        (ranking,) = torch.autograd.grad(loss[open_].sum(), x)
        active, x, ranking, loss = active[open_], x.detach()[open_], ranking[open_], loss.detach()[open_]
        if counts is not None:
            counts[active] += 1
        # Steepest descent where lengths are measured relative to `room`.
        direction = room[active] * ranking
        slope = (direction * ranking).sum((1, 2, 3)).clamp(min=1e-12)
        stride = min(LAST_STRIDE, FIRST_STRIDE * STRIDE_GROWTH**step)
        move = (stride * loss / slope)[:, None, None, None] * direction
        if visual_weight and (step or start is not None):
            weight = visual_weight * VISUAL_DECAY**step
            bands = [band[active] for band in clean_bands]
            move = move + weight * _visual_pull(x, faces[active], bands, room[active], move)
        changed = x - move
        if largest is not None:
            changed = faces[active] + (changed - faces[active]).clamp(-largest[active], largest[active])
        perturbed[active] = changed.clamp(0, 1)
    return perturbed


def _visual_pull(x: Tensor, clean: Tensor, clean_bands: list[Tensor], room: Tensor, move: Tensor) -> Tensor:
    """Descent of ‖n‖ + (1 − CWSSIM), as long as `move`, without what would undo it (their common component)."""
    x = x.detach().requires_grad_(True)
    norm = ((x - clean).square() / room).flatten(1).sum(1).clamp(min=1e-12).sqrt()
    visual = norm + (1 - cw_ssim_of_subbands(tuple(clean_bands), subbands(x)))
    (pull,) = torch.autograd.grad(visual.sum(), x)
    pull = room * pull
    length = move.flatten(1).norm(dim=1)
    unit = move / length.clamp(min=1e-12)[:, None, None, None]
    pull = pull - (pull * unit).sum((1, 2, 3), keepdim=True) * unit
    return pull * (length / pull.flatten(1).norm(dim=1).clamp(min=1e-12))[:, None, None, None]
