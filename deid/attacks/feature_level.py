"""Feature-level attack: away from the clean face's embedding, on views drawn anew at every step.

What carries over to recognizers that nobody asked. It knows no ranks: the cosines to the clean embeddings fall as far
as what may be seen lets them. Steps follow the gradient's value (I-FGVM; Chatzikyriakidis, Papaioannidis, Pitas, ICIP
2019) on random affine views (DI; Xie et al., CVPR 2019).

A view's gradient is noise for the most part, so what all steps asked for is added up, and only the sum is brought
within what may be seen (dual averaging; Xiao, JMLR 11, 2010): one late view does not undo what many had agreed on.
The sum is turned into the change that follows it farthest for what is seen of it (`Visibility.least_seen`), and made as
long as the budget lets it be: every face shows the same, whatever it hides.

Where a network's similarity is to end is a single number, met in a few steps more (`meet_goal`): they cost little of
what may be seen, and next to nothing of what the others had agreed on.
"""

import torch
from pytorch_msssim import ssim
from torch import Tensor

from deid.attacks.contract import Attack
from deid.attacks.loop import Iterate, StepRule, gradient_attack
from deid.attacks.ranking import polyak_step
from deid.losses.visibility import Visibility

# How often a change's length is set anew, and by how much at most: SSIM falls with about its square.
FITS, MOST = 3, 4.0
SHORTEST, LONGEST = 1e-4, 10.0  # where limit or budget leave no other choice: nothing and everything, but no overflow


def likeness(likenesses: tuple[Tensor, ...], labels: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
    """The objective of this attack: each network's likeness (n,) is a term of its own."""
    return likenesses


def feature_level(*, budget: float) -> Attack:
    """The attack that changes a face until its SSIM has fallen by `budget`; its terms' gradients weigh the same.

    Its `logits_fn` gives in place of logits how alike each network still finds the faces, (n,) each; larger is more
    alike. A term whose gradient is 0 asks for nothing.
    """

    def rule_for(faces: Tensor, start: Tensor | None, visibility: Visibility | None) -> StepRule:
        asked_for, lengths = torch.zeros_like(faces), faces.new_full((len(faces),), 0.01)
        before = torch.zeros_like(faces) if start is None else start - faces

        def rule(at: Iterate) -> Tensor:
            for gradient in at.gradients:
                asked_for[at.rows] -= gradient / _length(gradient).clamp(min=1e-12)
            change = asked_for[at.rows]
            if visibility is not None:
                change = visibility.least_seen(change, at.rows)
            length = _length(change)
            change, is_asked = change / length.clamp(min=1e-12), length.flatten() > 0
            for _ in range(FITS):
                noise = at.within(before[at.rows] + lengths[at.rows][:, None, None, None] * change)
                fallen = 1 - ssim(at.clean, at.clean + noise, data_range=1, win_size=7, size_average=False)
                fit = (budget / fallen.clamp(min=1e-6)).sqrt().clamp(1 / MOST, MOST).where(is_asked, 1.0)
                lengths[at.rows] = (lengths[at.rows] * fit).clamp(SHORTEST, LONGEST)
            return before[at.rows] + lengths[at.rows][:, None, None, None] * change

        return rule

    return gradient_attack(rule_for)


def _steepest_for_what_is_seen(faces: Tensor, start: Tensor | None, visibility: Visibility | None) -> StepRule:
    def rule(at: Iterate) -> Tensor:
        direction = at.gradient if visibility is None else visibility.least_seen(at.gradient, at.rows)
        return at.faces - polyak_step(at, direction) - at.clean

    return rule


meet_goal = gradient_attack(_steepest_for_what_is_seen)
"""The attack that makes an objective 0 with the change that is seen least; it goes on from `start`."""


def distance(to_go: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """The objective of `meet_goal`, whose `logits_fn` gives in place of logits how far each face is to go, (n,)."""
    return to_go.abs()


def _length(maps: Tensor) -> Tensor:
    """The root mean square of each of the maps (N, C, H, W): (N, 1, 1, 1)."""
    return maps.square().mean((1, 2, 3), keepdim=True).sqrt()
