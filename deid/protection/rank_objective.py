"""What attacks on ranks follow: perturbed faces → all surrogates' scores, on every view, under every enrollment."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.anonymity.conditions import NO_TARGET, ranked_others, targets_of
from deid.faces.chain import FaceChain
from deid.images.handlings import AS_PUBLISHED
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Timing
from deid.recognizers.gallery import Enrollment


@dataclass(frozen=True, eq=False)
class RankingGoal:
    """Where each face is to stand for one surrogate.

    enrollments: of each of the N faces.
    targets: (N, T), r(2..k) of each face in the surrogate's own gallery, padded with -1.
    """

    surrogate: Surrogate
    enrollments: Sequence[list[Enrollment]]
    targets: Tensor

    def columns(self, chain: FaceChain, rows: Sequence[int]) -> int:
        """That these rows of the chain need: views × enrollments, of the face that has most."""
        return max(len(chain.views[row]) * len(self.enrollments[row]) for row in rows)


def ranking_goal(surrogate: Surrogate, enrollments: Sequence[list[Enrollment]], groups: Tensor) -> RankingGoal:
    """With r(2..k) as this surrogate ranks the others for each clean face, whose own enrollment comes last."""
    own = [of_face[-1] for of_face in enrollments]
    clean = surrogate.gallery.logits(torch.stack([enrollment.prototype for enrollment in own]), own)
    return RankingGoal(surrogate, enrollments, targets_of(ranked_others(clean, int(groups.max()) - 1), groups))


def targets_on_views(goals: Sequence[RankingGoal], chain: FaceChain, chosen: Tensor) -> Tensor:
    """r(2..k) for every column of `scores_of`: (n, V, T), padded with -1."""
    rows, most = chosen.tolist(), max(goal.targets.shape[1] for goal in goals)
    parts = []
    for goal in goals:
        targets = F.pad(goal.targets[chosen], (0, most - goal.targets.shape[1]), value=NO_TARGET)
        parts.append(targets[:, None].expand(-1, goal.columns(chain, rows), -1))
    return torch.cat(parts, 1)


def exact_on_views(goals: Sequence[RankingGoal], chain: FaceChain, chosen: Tensor) -> Tensor:
    """For every column of `scores_of` whether a face is to be exactly at k there, and not only another than the first:
    as this program finds it, as published. Bool (n, V).
    """
    rows, parts = chosen.tolist(), []
    for goal in goals:
        columns = goal.columns(chain, rows)
        exact = [
            [view.own and view.handling == AS_PUBLISHED for view in chain.views[row] for _ in goal.enrollments[row]]
            for row in rows
        ]
        parts.append(torch.tensor([(of_face * columns)[:columns] for of_face in exact], device=chosen.device))
    return torch.cat(parts, 1)


def scores_of(
    chain: FaceChain, clean: Tensor, goals: Sequence[RankingGoal], chosen: Tensor, timing: Timing, safety: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """logits_fn for the chosen rows of the chain: (n, V, 1 + M), V = views × enrollments; fewer are repeated.

    safety: see `Profile`.
    """
    columns = [goal.columns(chain, chosen.tolist()) for goal in goals]
    width = 1 + max(len(goal.surrogate.gallery) for goal in goals)

    def logits_fn(faces: Tensor, rows: Tensor) -> Tensor:
        rows = chosen[rows]
        with timing.timed("warp"):
            aligned, owner = chain.faces_of_all(faces - clean[rows], rows)
        # What others see moves with every save: there the true identity counts as more alike than it is.
        ahead = torch.tensor([0.0 if view.own else safety for row in rows.tolist() for view in chain.views[row]])
        parts, passes = [], Passes(timing)
        for goal, count, views in zip(goals, columns, aligned, strict=True):
            scores, of_face = _scores(goal, views, owner.tolist(), rows.tolist(), passes, ahead)
            scores = F.pad(scores, (0, width - scores.shape[1]), value=-torch.inf)
            parts.append(scores[torch.tensor([(own * count)[:count] for own in of_face], device=scores.device)])
        return torch.cat(parts, 1)

    return logits_fn


def _scores(
    goal: RankingGoal, views: Tensor, owner: Sequence[int], rows: Sequence[int], passes: "Passes", ahead: Tensor
) -> tuple[Tensor, list[list[int]]]:
    """One surrogate's scores for each view and enrollment, and which of them belong to each face.

    ahead: for each view, by how much the true identity counts as more alike.
    """
    embeddings = passes.embed(goal.surrogate, views)
    pairs = [(at, enrollment) for at, face in enumerate(owner) for enrollment in goal.enrollments[rows[face]]]
    scores = goal.surrogate.scores(embeddings[[at for at, _ in pairs]], [enrollment for _, enrollment in pairs])
    scores = torch.cat([scores[:, :1] + ahead.to(scores)[[at for at, _ in pairs], None], scores[:, 1:]], 1)
    of_face: list[list[int]] = [[] for _ in rows]
    for position, (at, _) in enumerate(pairs):
        of_face[owner[at]].append(position)
    return scores, of_face


@dataclass
class Passes:
    """The networks' own passes, forth and back, count for themselves; those back may overlap."""

    timing: Timing
    under_way: int = 0
    since: float = 0.0

    def embed(self, surrogate: Surrogate, views: Tensor) -> Tensor:
        with self.timing.timed("network"):
            embeddings = surrogate.recognizer.embed_roughly(views)
        if embeddings.requires_grad:
            embeddings.register_hook(self._begin)  # backward starts at the network's end
            views.register_hook(self._end)
        return embeddings

    def _begin(self, _: Tensor) -> None:
        if not self.under_way:
            self.since = time.perf_counter()
        self.under_way += 1

    def _end(self, _: Tensor) -> None:
        self.under_way -= 1
        if not self.under_way:
            self.timing.add("network", time.perf_counter() - self.since)
