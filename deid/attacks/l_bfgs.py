"""L-BFGS (Szegedy and others, ICLR 2014): minimize ‖n‖² + c · L(f(x̃)) within a box, for the least c that succeeds.

The paper's c stands before ‖n‖ and is the largest that succeeds: the same search. scipy's L-BFGS-B minimizes, a face at
a time; each c goes on from the nearest face that succeeded. L is the objective, in the paper the cross-entropy to a
target.
"""

from contextlib import suppress

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from deid.attacks.contract import Attack
from deid.attacks.least_norm import Search, least_norm_attack


def l_bfgs(*, searches: int = 9, first_c: float = 1e-2) -> Attack:
    """See `least_norm_attack`. searches: how many c are tried; first_c: the one tried first."""

    def descend(search: Search, rows: Tensor, steps: int) -> Tensor:
        minima = torch.cat([_minimum(search, row, steps) for row in rows.split(1)])
        with torch.no_grad():
            return search.look(rows, minima)[1]

    return least_norm_attack(descend, searches=searches, first_c=first_c)


class _Spent(Exception):  # noqa: N818
    """So many gradient evaluations as there may be: a line search would go on."""


def _minimum(search: Search, row: Tensor, steps: int) -> Tensor:
    """Of ‖n‖² + c · L for one face, (1, C, H, W); the least value seen where the steps end before."""
    clean, seen, values = search.clean[row], [search.faces[row]], [np.inf]

    def loss_of(flat: np.ndarray) -> tuple[float, np.ndarray]:
        if len(values) > steps:
            raise _Spent
        x = torch.from_numpy(flat).to(clean).view_as(clean).requires_grad_(True)
        loss = (x - clean).square().sum() + (search.c[row] * search.lacking(row, x)[1]).sum()
        (gradient,) = torch.autograd.grad(loss, x)
        search.evaluations[row] += 1
        seen.append(x.detach())
        values.append(float(loss.detach()))
        return values[-1], _flat(gradient)

    bounds = np.stack([_flat(search.low[row]), _flat(search.high[row])], 1)
    with suppress(_Spent):
        minimize(loss_of, _flat(seen[0]), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return seen[int(np.argmin(values))].clamp(search.low[row], search.high[row])


def _flat(face: Tensor) -> np.ndarray:
    return face.detach().flatten().double().cpu().numpy()
