"""K-A³: K-Anonymity-inspired Adversarial Attack (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020).

For a face of rank group k it minimizes, eq. 7,

    ‖n‖₂ + (1 − CWSSIM(x, x̃)) + Σ_{i=2..k} L(f(x̃), r(i)),

stopped as soon as the criterion holds. Departures from the paper: L is a hinge with a margin on both sides of y
(`ranking.ranking_loss`); a step is as long as the linearized hinge asks for (Polyak's step) instead of a fixed rate, so
that a face is done in a dozen evaluations; and steps are steepest where lengths are measured by what is seen
(`Visibility.least_seen`), because n on smooth skin looks like scars.
"""

import torch
from torch import Tensor

from deid.attacks.loop import Iterate, StepRule, gradient_attack
from deid.attacks.ranking import polyak_step
from deid.losses.cw_ssim import cw_ssim_of_subbands, scales_for
from deid.losses.steerable_pyramid import subbands
from deid.losses.visibility import Visibility

# The visual terms begin with the ranking's weight, at equal gradients, and lose some of it a step, or they would hold a
# face back for long.
VISUAL_DECAY = 0.75


def ranking_and_visual_terms(faces: Tensor, start: Tensor | None, visibility: Visibility | None) -> StepRule:
    """The objective is Σ L alone; the two visual terms are added here."""
    clean_bands = subbands(faces, scales=scales_for(faces))

    def least_seen(gradients: Tensor, rows: Tensor) -> Tensor:
        return gradients if visibility is None else visibility.least_seen(gradients, rows)

    def rule(at: Iterate) -> Tensor:
        move = polyak_step(at, least_seen(at.gradient, at.rows))
        if at.step or start is not None:  # a clean face has no visual gradient
            pull = least_seen(visual_gradient(at.faces, at.clean, [band[at.rows] for band in clean_bands]), at.rows)
            move = move + VISUAL_DECAY**at.step * _beside(pull, move)
        return at.faces - move - at.clean

    return rule


k_a3 = gradient_attack(ranking_and_visual_terms)


def visual_gradient(x: Tensor, clean: Tensor, clean_bands: list[Tensor]) -> Tensor:
    """Of ‖n‖ + (1 − CWSSIM)."""
    x = x.detach().requires_grad_(True)
    norm = (x - clean).square().flatten(1).sum(1).clamp(min=1e-12).sqrt()
    visual = norm + (1 - cw_ssim_of_subbands(tuple(clean_bands), subbands(x, scales=len(clean_bands))))
    return torch.autograd.grad(visual.sum(), x)[0]


def _beside(pull: Tensor, move: Tensor) -> Tensor:
    """A descent as long as `move`, without what would undo it (their common component)."""
    length = move.flatten(1).norm(dim=1)
    unit = move / length.clamp(min=1e-12)[:, None, None, None]
    pull = pull - (pull * unit).sum((1, 2, 3), keepdim=True) * unit
    return pull * (length / pull.flatten(1).norm(dim=1).clamp(min=1e-12))[:, None, None, None]
