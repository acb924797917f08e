"""A classifier that never says «adversarial»: one without a defense, or with one that is all in its weights."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.defenses.contract import Defended


def undefended(logits: Callable[[Tensor], Tensor]) -> Defended:
    """logits: photos (N, C, H, W) in [0, 1] → (N, M)."""
    return Defended(lambda photos: F.pad(logits(photos), (0, 1), value=-torch.inf))
