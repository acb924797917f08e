"""What every attack is called with and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.losses.visibility import Visibility

Logits = Tensor | tuple[Tensor, ...]
"""(n, M), or (n, V, M) for V views of each face; a tuple where several networks each answer for themselves."""

LogitsFn = Callable[[Tensor, Tensor], Logits]
"""faces (n, C, H, W), rows (n,): which of the batch's faces these are → logits.

A plain model is `lambda faces, rows: model(faces)`.
"""

Objective = Callable[[Any, Tensor, Tensor], Tensor | tuple[Tensor, ...]]
"""logits as `LogitsFn` gives them, labels (n,), rows (n,) → what an attack makes small, (n,), or several such terms."""

OnStep = Callable[[Tensor, Logits], None]
"""Called at every step with rows (n,), the faces that are not known to be done, and their logits; it may raise."""


def ignore_step(rows: Tensor, logits: Logits) -> None:
    """Nobody watches."""


@dataclass(frozen=True, eq=False)
class Attacked:
    """faces: (N, C, H, W) in [0, 1], not rounded to 8 bits unless the attack was asked to hold there.

    evaluations: int64 (N,), gradient evaluations of each face.
    met: bool (N,), which faces met the criterion when the attack last looked; whether a face is protected is for the
    caller to find out anew, on 8 bits.
    """

    faces: Tensor
    evaluations: Tensor
    met: Tensor


class Attack(Protocol):
    def __call__(
        self,
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
        """Perturb faces until they meet a criterion.

        faces: (N, C, H, W) clean, in [0, 1].
        labels: (N,), the index of the true identity in the logits.
        criterion: a face that meets it is done; None: every face takes all steps, and nothing is evaluated after them.
        steps: at most so many gradient evaluations a face.
        start: (N, C, H, W), where to go on from; None: the clean faces.
        visibility: what is seen of a change, and where; None: the same everywhere.
        limit: of every pixel's change, in units of `visibility.limit`; None, or without visibility: no limit.
        eight_bits: whether who is done is told by the faces rounded to 8 bits; then they are returned so,
            and may pass a limit by half a gray level.
        seed: of what an attack draws, if it draws anything; None: nobody can know it.
        """
        ...
