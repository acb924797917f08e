"""Which faces are done, where only some have changed: a criterion is about the whole batch."""

from dataclasses import dataclass

from torch import Tensor

from deid.anonymity.conditions import Criterion
from deid.attacks.contract import Logits


@dataclass(eq=False)
class RowCriterion:
    """A criterion on the N faces of one attack; the first call is about all of them.

    faces, logits: of all N, as they were last seen.
    """

    criterion: Criterion
    faces: Tensor
    logits: Tensor | None = None

    def __call__(self, rows: Tensor, faces: Tensor, logits: Logits) -> Tensor:
        """Whether faces `rows` (n,) meet it, bool (n,), as they are now: (n, C, H, W), and their logits.

        Raises TypeError for answers of several networks.
        """
        if not isinstance(logits, Tensor):
            raise TypeError("a criterion needs one tensor of logits")
        faces, logits = faces.detach(), logits.detach()
        self.faces = self.faces.index_copy(0, rows, faces)
        self.logits = logits.clone() if self.logits is None else self.logits.index_copy(0, rows, logits)
        return self.criterion(self.faces, self.logits)[rows]
