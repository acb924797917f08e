"""The adversary who knows the defense, for any that keeps to the contract: no defense is believed without it.

The scores of a defense are attacked as a whole: a class must outrank the true one *and* «adversarial». Differences of
scores are followed, not a cross-entropy that may vanish; a random defense is attacked in expectation (EOT: Athalye,
Engstrom, Ilyas, Kwok, ICML 2018), one without gradients through a stand-in with some (BPDA: Athalye, Carlini, Wagner,
ICML 2018). Whether it worked is told by the defense itself.
"""

import torch
from torch import Tensor

from deid.anonymity.conditions import NO_TARGET, Criterion
from deid.attacks.contract import Attack, Attacked, Objective
from deid.attacks.k_a3 import k_a3
from deid.defenses.contract import BATCH, Defended

STEPS = 300  # gradient evaluations of a photo, at most
MARGIN = 0.05  # in units of each photo's clean lead: defenses have scores of very different sizes


def adaptive(
    defended: Defended,
    photos: Tensor,
    labels: Tensor,
    *,
    attack: Attack = k_a3,
    targets: Tensor | None = None,
    surrogate: Defended | None = None,
    draws: int = 1,
    steps: int = STEPS,
    seed: int = 0,
) -> Attacked:
    """The photos, in 8 bits, as an adversary leaves them who knows the defense; `met`: the defense answers wrongly.

    defended: of M classes, as it is deployed.
    photos: (N, C, H, W) clean, in [0, 1]; labels: (N,), their true classes.
    attack: of gradients, one that takes a single term; within its own radius, if it has one.
    targets: (N, T), padded with -1: classes that are to outrank the true one, r(2..k) of K-A³; None: any class.
    surrogate: what to follow instead where the defense has no gradient, with scores of the same order.
    draws: how many answers of a random defense count as one: their mean is followed, all must be wrong.
    steps: gradient evaluations of a photo, at most; each draw takes part in one.
    seed: of what the attack draws; a random defense has its own.

    Raises ValueError for photos without a label, or without a target where there are targets.
    """
    if labels.shape != photos.shape[:1] or (targets is not None and not bool((targets != NO_TARGET).any(1).all())):
        raise ValueError("each photo needs a label and, where there are targets, one at least")

    def views(x: Tensor, _: Tensor) -> Tensor:
        """(n, 1 + draws, M + 1): what is followed, then what the defense says."""
        followed = [(surrogate or defended).scores(x) for _ in range(draws)]
        said = [scores.detach() for scores in followed]
        if surrogate is not None:
            with torch.no_grad():
                said = [defended.scores(x) for _ in range(draws)]
        return torch.stack([torch.stack(followed).mean(0), *said], 1)

    def of_some(rows: Tensor) -> Attacked:
        own_labels, own_targets = labels[rows], None if targets is None else targets[rows]
        with torch.no_grad():
            lead = gaps((surrogate or defended).scores(photos[rows]), own_labels, own_targets)
        return attack(
            views,
            photos[rows],
            own_labels,
            objective=outranking(MARGIN * lead.where(lead.isfinite(), 0).abs().amax(1).clamp(min=1e-6), own_targets),
            criterion=outranked(own_labels, own_targets),
            steps=steps,
            eight_bits=True,
            seed=seed,
        )

    parts = [of_some(rows) for rows in torch.arange(len(photos)).split(BATCH)]
    return Attacked(*(torch.cat([getattr(part, name) for part in parts]) for name in ("faces", "evaluations", "met")))


def gaps(scores: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """By how much the true class lies above each target, and «adversarial» above the best class but the true one.

    scores: (n, M + 1); labels: (n,); targets: (n, T), padded with -1, whose gap is -inf; None: the best other class.
    Returns (n, T + 1), T = 1 without targets. All below 0: the answer is another class, and the targets outrank the
    true one.
    """
    true, rejected = scores.gather(1, labels[:, None]), scores[:, -1:]
    best = scores[:, :-1].scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)
    if targets is None:
        return torch.cat([true - best, rejected - best], 1)
    to_targets = true - scores.gather(1, targets.clamp(min=0))
    return torch.cat([to_targets.masked_fill(targets == NO_TARGET, -torch.inf), rejected - best], 1)


def outranking(margins: Tensor, targets: Tensor | None = None) -> Objective:
    """The sum of all gaps that are not below −margin, of the first view (n, V, M + 1).

    margins: (N,), in units of the scores. A photo that lacks nothing but is not done, because the defense says
    otherwise than what is followed, is pushed on by its margin.
    """

    def objective(views: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        own = gaps(views[:, 0], labels, None if targets is None else targets[rows])
        lacking = (own + margins[rows, None]).relu().sum(1)
        worst = own.amax(1)
        return lacking.where(lacking > 0, margins[rows] + worst - worst.detach())

    return objective


def outranked(labels: Tensor, targets: Tensor | None = None) -> Criterion:
    """No gap is left in any view but the first: what the defense says, not what is followed.

    labels: (N,); targets: (N, T). A tie fails.
    """

    def criterion(photos: Tensor, views: Tensor) -> Tensor:
        said = [(gaps(view, labels, targets) < 0).all(1) for view in views[:, 1:].unbind(1)]
        return torch.stack(said).all(0)

    return criterion
