"""What every row of a table is measured on: photos, their classifier, and the place that each is to take."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deid.anonymity.conditions import Criterion, rank_of, ranked_others, targets_of
from deid.attacks.contract import Attack, Attacked, LogitsFn, Objective

SEED = 0  # of what an attack draws
TRUE = 0  # the column of the true class, once it stands first


@dataclass(frozen=True, eq=False)
class Task:
    """n photos under attack.

    logits_fn: photos (n', C, H, W), rows → (n', M), the true class first; what attacks follow. It may be rough.
    network: the classifier itself, for every check: photos → (n', M) in the order of the classes.
    photos: (n, C, H, W) in [0, 1].
    labels: (n,), their classes.
    groups: (n,), the rank k that each is to take.
    others: (n, M − 1), r(2), r(3), …: the other classes by their rank for the clean photo, as columns of `logits_fn`.
    """

    logits_fn: LogitsFn
    network: nn.Module
    photos: Tensor
    labels: Tensor
    groups: Tensor
    others: Tensor

    @property
    def targets(self) -> Tensor:
        """r(2..k) of each photo, (n, T), padded with -1."""
        return targets_of(self.others[:, : int(self.groups.max()) - 1], self.groups)

    @property
    def true(self) -> Tensor:
        """The column of the true class, (n,), as an attack's labels."""
        return torch.full_like(self.labels, TRUE)

    def attacked(
        self, attack: Attack, objective: Objective, criterion: Criterion, *, steps: int, eight_bits: bool = False
    ) -> Attacked:
        """The photos as the attack leaves them; see `contract.Attack`."""
        return attack(
            self.logits_fn,
            self.photos,
            self.true,
            objective=objective,
            criterion=criterion,
            steps=steps,
            eight_bits=eight_bits,
            seed=SEED,
        )

    def ranks(self, photos: Tensor) -> Tensor:
        """(n,), the true class's, of all n photos as they are now; photos: (n, C, H, W)."""
        return ranks_of(self.network, photos, self.labels)


def task_of(network: nn.Module, attacked: nn.Module, photos: Tensor, labels: Tensor, groups: Tensor) -> Task:
    """attacked: the network, or a rougher and faster copy of it."""

    def logits_fn(faces: Tensor, rows: Tensor) -> Tensor:
        return true_first(_logits(attacked, faces), labels[rows])

    with torch.no_grad():
        clean = true_first(_logits(network, photos), labels)
    return Task(logits_fn, network, photos, labels, groups, ranked_others(clean, clean.shape[1] - 1, TRUE))


@torch.no_grad()
def ranks_of(network: nn.Module, photos: Tensor, labels: Tensor) -> Tensor:
    """(n,), from 1: recognized; photos: (n, C, H, W)."""
    return rank_of(_logits(network, photos), labels)


def true_first(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits (n, M) with the columns of the true class and of class 0 exchanged: criteria are about one column."""
    columns = torch.arange(logits.shape[1]).repeat(len(logits), 1)
    columns[:, TRUE] = labels
    return logits.gather(1, columns.scatter(1, labels[:, None], TRUE))


def _logits(network: nn.Module, photos: Tensor) -> Tensor:
    # A CPU convolves a channels-last batch about twice as fast.
    return network(photos.contiguous(memory_format=torch.channels_last)).float()
