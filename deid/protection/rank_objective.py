"""What attacks on ranks follow: perturbed faces → all surrogates' scores, on every view, under every enrollment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.anonymity.conditions import NO_TARGET
from deid.faces.chain import FaceChain
from deid.images.handlings import AS_PUBLISHED
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Costs
from deid.recognizers.gallery import Enrollment


@dataclass(frozen=True, eq=False)
class Asked:
    """A surrogate and what it is asked about each face. targets: (N, T), r(2..k) in its own gallery."""

    surrogate: Surrogate
    enrollments: Sequence[list[Enrollment]]
    targets: Tensor

    def views(self, chain: FaceChain, rows: Sequence[int]) -> int:
        """Columns that these rows of the chain need: views × enrollments, of the face that has most."""
        return max(len(chain.views[row]) * len(self.enrollments[row]) for row in rows)


def targets_on_views(asked: Sequence[Asked], chain: FaceChain, chosen: Tensor) -> Tensor:
    """r(2..k) for every column of `scores_of`: (n, V, T), padded with -1."""
    rows, most = chosen.tolist(), max(one.targets.shape[1] for one in asked)
    parts = []
    for one in asked:
        targets = F.pad(one.targets[chosen], (0, most - one.targets.shape[1]), value=NO_TARGET)
        parts.append(targets[:, None].expand(-1, one.views(chain, rows), -1))
    return torch.cat(parts, 1)


def published_on_views(asked: Sequence[Asked], chain: FaceChain, chosen: Tensor) -> Tensor:
    """For every column of `scores_of` whether it shows the face as published, not after a handling: bool (n, V)."""
    rows, parts = chosen.tolist(), []
    for one in asked:
        views = one.views(chain, rows)
        shown = [[view.handling == AS_PUBLISHED for view in chain.views[row] for _ in one.enrollments[row]]
                 for row in rows]  # fmt: skip
        parts.append(torch.tensor([(own * views)[:views] for own in shown], device=chosen.device))
    return torch.cat(parts, 1)


def scores_of(
    chain: FaceChain, clean: Tensor, asked: Sequence[Asked], chosen: Tensor, costs: Costs
) -> Callable[[Tensor, Tensor], Tensor]:
    """logits_fn for the chosen rows of the chain: (n, V, 1 + M), V = views × enrollments; fewer are repeated."""
    columns = [one.views(chain, chosen.tolist()) for one in asked]
    width = 1 + max(len(one.surrogate.gallery) for one in asked)

    def logits_fn(faces: Tensor, rows: Tensor) -> Tensor:
        rows = chosen[rows]
        with costs.timed("warp"):
            seen, owner = chain.faces_of_all(faces - clean[rows], rows)
        parts, passes = [], Passes(costs)
        for one, views, these in zip(asked, columns, seen, strict=True):
            scores, of_face = _scores(one, these, owner.tolist(), rows.tolist(), passes)
            scores = F.pad(scores, (0, width - scores.shape[1]), value=-torch.inf)
            parts.append(scores[torch.tensor([(own * views)[:views] for own in of_face], device=scores.device)])
        return torch.cat(parts, 1)

    return logits_fn


def _scores(
    one: Asked, seen: Tensor, owner: Sequence[int], rows: Sequence[int], passes: "Passes"
) -> tuple[Tensor, list[list[int]]]:
    """One surrogate's scores for each view and enrollment, and which of them belong to each face."""
    embeddings = passes.embed(one.surrogate, seen)
    asked = [(at, enrollment) for at, face in enumerate(owner) for enrollment in one.enrollments[rows[face]]]
    scores = one.surrogate.scores(embeddings[[at for at, _ in asked]], [enrollment for _, enrollment in asked])
    of_face: list[list[int]] = [[] for _ in rows]
    for position, (at, _) in enumerate(asked):
        of_face[owner[at]].append(position)
    return scores, of_face


@dataclass
class Passes:
    """The networks' own passes, forth and back, count for themselves; those back may overlap."""

    costs: Costs
    under_way: int = 0
    since: float = 0.0

    def embed(self, surrogate: Surrogate, seen: Tensor) -> Tensor:
        with self.costs.timed("network"):
            embeddings = surrogate.recognizer.embed_roughly(seen)
        if embeddings.requires_grad:
            embeddings.register_hook(self._begin)  # backward starts at the network's end
            seen.register_hook(self._end)
        return embeddings

    def _begin(self, _: Tensor) -> None:
        if not self.under_way:
            self.since = time.perf_counter()
        self.under_way += 1

    def _end(self, _: Tensor) -> None:
        self.under_way -= 1
        if not self.under_way:
            self.costs.add("network", time.perf_counter() - self.since)
