"""What the attacks follow: perturbed faces → the scores of all surrogates, on every view, under every enrollment."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.anonymity.conditions import NO_TARGET
from deid.costs import Costs
from deid.faces.align import jittered
from deid.faces.paste import FaceChain, View
from deid.handling import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, JPEG_75
from deid.recognizers.gallery import Enrollment
from deid.surrogates import Surrogate

SURROGATES_A_STEP = 2
HANDLED_SHARE = 0.75  # of the random views
REHEARSED = (JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)
TOWARD_STRANGER = 0.5
STRANGERS = 100  # so many of the decoys, the least like the face, are drawn from


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
        parts, passes = [], _Passes(costs)
        for one, views, these in zip(asked, columns, seen, strict=True):
            scores, of_face = _scores(one, these, owner.tolist(), rows.tolist(), passes)
            scores = F.pad(scores, (0, width - scores.shape[1]), value=-torch.inf)
            parts.append(scores[torch.tensor([(own * views)[:views] for own in of_face], device=scores.device)])
        return torch.cat(parts, 1)

    return logits_fn


@dataclass(frozen=True, eq=False)
class Wanted:
    """Unit vectors around a surrogate's strangers' mean, (N, D): of the clean faces and of strangers to drift to.

    An uncentered cosine says little where all embeddings lie on one side, as dlib's do. The stranger, of every photo
    another one, keeps two photos of a person from becoming alike in a new way. It is one of the least like the face, so
    the way to it is the way from the face.
    """

    center: Tensor
    clean: Tensor
    stranger: Tensor

    @staticmethod
    def drawn(one: Asked, rng: np.random.Generator) -> "Wanted":
        decoys = one.surrogate.recognizer.decoys
        center = decoys.mean(0)
        own = torch.stack([of_face[-1].prototype for of_face in one.enrollments])
        clean, strangers = F.normalize(own - center), F.normalize(decoys - center)
        least_alike = (clean @ strangers.T).topk(STRANGERS, largest=False).indices
        drawn = torch.from_numpy(rng.integers(STRANGERS, size=len(own))).to(decoys.device)
        return Wanted(center, clean, strangers[least_alike.gather(1, drawn[:, None])[:, 0]])


def likeness_on_random_views(
    chain: FaceChain,
    clean: Tensor,
    wanted: Sequence[Wanted],
    asked: Sequence[Asked],
    chosen: Tensor,
    landmarks: Sequence[np.ndarray],
    rng: np.random.Generator,
    costs: Costs,
    pressed: Collection[int] = (),
) -> Callable[[Tensor], list[Tensor]]:
    """likeness_fn for the chosen rows of the chain: of two surrogates the cosine to the clean face, less half of that
    to a stranger. A view and the two are drawn at every call, so that many steps see many of both at the cost of few;
    half of the views are mirrored.

    wanted: of each surrogate, for every row of the chain. landmarks: (5, 2) of the chosen rows. pressed: surrogates, by
    their places, that are drawn before others.
    """
    rows = chosen.tolist()

    def likeness_fn(faces: Tensor) -> list[Tensor]:
        with costs.timed("warp"):
            drawn = [[chain.place(row, _drawn_view(points, rng))] for row, points in zip(rows, landmarks, strict=True)]
            seen, _ = chain.faces_of_all(faces - clean[chosen], chosen, drawn)
        passes, likeness = _Passes(costs), []
        order = rng.permutation(len(asked)).tolist()
        for at in sorted(order, key=lambda at: at not in pressed)[:SURROGATES_A_STEP]:
            one, shown, target = asked[at], seen[at], wanted[at]
            mirrored = torch.from_numpy(rng.random(len(shown)) < 0.5).to(shown.device)
            shown = shown.flip(3).where(mirrored[:, None, None, None], shown)
            embeddings = F.normalize(passes.embed(one.surrogate, shown) - target.center)
            pull = (target.clean - TOWARD_STRANGER * target.stranger)[chosen]
            likeness.append((embeddings * pull).sum(1))
        return likeness

    return likeness_fn


def _drawn_view(landmarks: np.ndarray, rng: np.random.Generator) -> View:
    handling = REHEARSED[rng.integers(len(REHEARSED))] if rng.random() < HANDLED_SHARE else AS_PUBLISHED
    return View(jittered(landmarks, rng), handling=handling)


def _scores(
    one: Asked, seen: Tensor, owner: Sequence[int], rows: Sequence[int], passes: "_Passes"
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
class _Passes:
    """The networks' own passes, forth and back, count for themselves; those back may overlap."""

    costs: Costs
    under_way: int = 0
    since: float = 0.0

    def embed(self, surrogate: Surrogate, seen: Tensor) -> Tensor:
        with self.costs.timed("network"):
            embeddings = surrogate.recognizer.embed(seen)
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
