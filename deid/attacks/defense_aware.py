"""The adversary who knows the defense: PGD in L2 on its scores (Sotgiu and others, EURASIP J. Inf. Sec. 2020, alg. 1).

Scores are (n, M + 1), the last column being «adversarial»; -inf where that is never said. The attack is for another
class to stand above the true one and above «adversarial», too: to be rejected is no success.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deid.attacks.contract import Attacked, LogitsFn
from deid.attacks.pgd import pgd_l2

TOLERANCE = 0.01  # of the loss: who changes less has arrived
# Steps that must pass so. The paper stops at the first; a defense's scores are flat around a clean face, though, and
# the random start seldom moves them.
PATIENCE = 5
STEP = 1 / 10  # in units of the ball's radius


def accepted_lead(scores: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """The objective: by how much the best wrong class lies below the true one or «adversarial», whichever is higher.

    (n,), negative where the attack has succeeded.
    """
    kept = torch.maximum(scores.gather(1, labels[:, None])[:, 0], scores[:, -1])
    return kept - scores[:, :-1].scatter(1, labels[:, None], -torch.inf).amax(1)


@dataclass(eq=False)
class Arrived:
    """The criterion: the attack has succeeded by more than the tolerance, or its loss does not change any more.

    labels: (N,). faces, losses: (N, C, H, W) and (N,), the best of each so far, from whichever start.
    """

    labels: Tensor
    faces: Tensor
    losses: Tensor = field(init=False)
    _before: Tensor = field(init=False)
    _still: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.losses = torch.full((len(self.faces),), torch.inf, device=self.faces.device)
        self.begin()

    def begin(self) -> None:
        """From a start on: who has succeeded before stays as it is."""
        self._before, self._still = torch.full_like(self.losses, torch.inf), torch.zeros_like(self.labels)

    def __call__(self, faces: Tensor, scores: Tensor) -> Tensor:
        losses = accepted_lead(scores, self.labels, self.labels).to(self.losses)
        better = losses < self.losses
        self.faces = torch.where(better[:, None, None, None], faces, self.faces)
        self.losses = torch.where(better, losses, self.losses)
        self._still = torch.where((losses - self._before).abs() <= TOLERANCE, self._still + 1, 0)
        self._before = losses
        return (self.losses < -TOLERANCE) | (self._still >= PATIENCE)


def defense_aware_pgd(
    scores_fn: LogitsFn,
    faces: Tensor,
    labels: Tensor,
    *,
    radius: float,
    steps: int,
    starts: Sequence[Tensor | None] = (None,),
    seed: int | None = None,
) -> Attacked:
    """The best face found in each ball; `met` says where it succeeds.

    scores_fn: faces (n, C, H, W), rows (n,) → (n, M + 1).
    faces: (N, C, H, W) clean, in [0, 1]; labels: (N,), their classes.
    radius: ε, in L2 with pixels in [0, 1].
    steps: at most so many gradient evaluations a face and start.
    starts: where to go on from, (N, C, H, W), one after the other for those that have not succeeded; None: at random.
    seed: as in `contract.Attack`.
    """
    arrived, evaluations = Arrived(labels, faces), torch.zeros_like(labels)
    for start in starts:
        arrived.begin()
        attacked = pgd_l2(radius=radius, share=STEP)(
            scores_fn, faces, labels, objective=accepted_lead, criterion=arrived, steps=steps, start=start, seed=seed
        )
        evaluations += attacked.evaluations
    return Attacked(arrived.faces, evaluations, arrived.losses < 0)


def confident_pgd(
    scores_fn: LogitsFn, faces: Tensor, labels: Tensor, *, radius: float, steps: int, seed: int | None = None
) -> Tensor:
    """Faces (N, C, H, W) as far in another class as `steps` lead: of the bare network, a start against its defenses.

    Where a defense rejects everything around a clean face, its scores show no way out; what fools the network is often
    beyond, among the photos that are accepted. Parameters: as of `defense_aware_pgd`.
    """
    return pgd_l2(radius=radius, share=STEP)(
        scores_fn, faces, labels, objective=accepted_lead, criterion=None, steps=steps, seed=seed
    ).faces
