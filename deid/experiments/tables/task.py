"""What every row of a table is measured on: photos, their classifier, and the place that each is to take."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deid.anonymity.conditions import Criterion, rank_of, ranked_others, targets_of
from deid.attacks.contract import Attack, Attacked, Objective
from deid.losses.visibility import Visibility

SEED = 0  # of what an attack draws
TRUE = 0  # the column of the true class, once it stands first


@dataclass(frozen=True, eq=False)
class Task:
    """n photos under attack.

    network: the classifier; photos → (n, M), in the order of the classes.
    rough: the same, or a rougher and faster copy, which attacks follow first.
    photos: (n, C, H, W) in [0, 1].
    labels: (n,), their classes.
    groups: (n,), the rank k that each is to take.
    others: (n, M − 1), r(2), r(3), …: the others by their rank for the clean photo, the true class standing first.
    """

    network: nn.Module
    rough: nn.Module
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
        self,
        attack: Attack,
        objective: Objective,
        criterion: Criterion,
        *,
        steps: int,
        eight_bits: bool = False,
        visibility: Visibility | None = None,
    ) -> Attacked:
        """The photos as the attack leaves them; objective and criterion see the true class first."""

        def by(network: nn.Module, start: Tensor | None) -> Attacked:
            return attack(
                lambda photos, rows: true_first(_logits(network, photos), self.labels[rows]),
                self.photos,
                self.true,
                objective=objective,
                criterion=criterion,
                steps=steps,
                start=start,
                visibility=visibility,
                eight_bits=eight_bits,
                seed=SEED,
            )

        first = by(self.rough, None)
        if self.rough is self.network:
            return first
        second = by(self.network, first.faces)  # goes on with those that the copy was wrong about
        return Attacked(second.faces, first.evaluations + second.evaluations, second.met)

    def ranks(self, photos: Tensor) -> Tensor:
        """(n,), the true class's, of all n photos as they are now; photos: (n, C, H, W)."""
        return ranks_of(self.network, photos, self.labels)


@torch.no_grad()
def task_of(network: nn.Module, rough: nn.Module, photos: Tensor, labels: Tensor, groups: Tensor) -> Task:
    """The task, with the others ranked as the network ranks them."""
    clean = true_first(_logits(network, photos), labels)
    return Task(network, rough, photos, labels, groups, ranked_others(clean, clean.shape[1] - 1, TRUE))


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
