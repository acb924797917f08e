"""Carlini-Wagner (S&P 2017), L2: minimize ‖n‖² + c · f(x̃) over w, where x̃ = (tanh w + 1) / 2, with Adam.

f is the objective, in the paper `classification.logit_difference`, whose κ is the confidence; the least c is searched
for, face by face. The tangent's range is [0, 1], or what the limit leaves of it.
"""

import torch
from torch import Tensor

from deid.attacks.contract import Attack
from deid.attacks.least_norm import Search, least_norm_attack

INSIDE = 0.999999  # at its ends the tangent has no gradient
LOOKS, FALLING = 10, 0.9999  # a face whose loss falls by less within a tenth of the steps is left for this c


def carlini_wagner(*, searches: int = 9, rate: float = 0.01, first_c: float = 1e-3) -> Attack:
    """See `least_norm_attack`. searches: how many c are tried; rate: Adam's, of w; first_c: the c tried first."""

    def descend(search: Search, rows: Tensor, steps: int) -> Tensor:
        low, high, clean, c = (values[rows] for values in (search.low, search.high, search.clean, search.c))
        w = torch.atanh(((clean - low) / (high - low).clamp(min=1e-12) * 2 - 1).clamp(-1, 1) * INSIDE)
        adam = torch.optim.Adam([w.requires_grad_(True)], lr=rate)
        once, before = torch.zeros_like(c, dtype=torch.bool), torch.full_like(c, torch.inf)
        falling = torch.arange(len(rows), device=rows.device)
        for step in range(steps):
            x = low[falling] + (high[falling] - low[falling]) * (w[falling].tanh() + 1) / 2
            lacking, met = search.look(rows[falling], x)
            loss = (x - clean[falling]).square().flatten(1).sum(1) + c[falling] * lacking
            once[falling] |= met
            search.evaluations[rows[falling]] += 1
            adam.zero_grad()
            loss.sum().backward()
            adam.step()
            if step % max(1, steps // LOOKS) == 0:
                falls, before[falling] = loss.detach() < FALLING * before[falling], loss.detach()
                falling = falling[falls]
                if not len(falling):
                    break
        return once

    return least_norm_attack(descend, searches=searches, first_c=first_c)
