"""What a feature-level attack follows: perturbed faces → how like the clean ones surrogates find them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import jittered
from deid.faces.chain import FaceChain, View
from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, JPEG_75
from deid.protection.rank_objective import Passes
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Timing
from deid.recognizers.gallery import Enrollment

SURROGATES_A_STEP = 2
UNKNOWN = 4.0  # how far from its goals a face is where nobody was asked yet, in the same units
HANDLED_SHARE = 0.75  # of the random views
REHEARSED = (JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)
STRANGERS = 100  # so many of the decoys, the least like the face, are drawn from
AT_GOAL = 0.1  # so near to its goal a face is left alone, in units of `Surrogate.scores`


@dataclass(frozen=True, eq=False)
class LikenessGoal:
    """What one surrogate is to find faces unlike, and like: unit vectors around its strangers' mean.

    center: (D,), that mean. An uncentered cosine says little where all embeddings lie on one side, as dlib's do.
    clean: (N, D), of the clean faces, with other photos of the person where there are any.
    stranger: (N, D), to drift to: of every photo another one, which keeps two photos of a person from becoming alike in
        a new way. It is one of the least like the face, so the way to it is the way from the face.
    enrollments: of each face.
    places: (N,), where in the surrogate's list each face is to stand, as a share of it in [0, 1].
    exactly: whether a face that is farther down comes back up; else it is left there.
    toward_stranger: see `Profile`.
    """

    surrogate: Surrogate
    center: Tensor
    clean: Tensor
    stranger: Tensor
    enrollments: Sequence[list[Enrollment]]
    places: Tensor
    exactly: bool
    toward_stranger: float

    def to_go(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        """How far faces `rows` with these embeddings (n, D) are from their goals, in units of `Surrogate.scores`.

        Above 0: still too alike; below: not alike enough, which may only be where the goal is to be met exactly.
        """
        scores = self.surrogate.scores(embeddings, [self.enrollments[row][-1] for row in rows.tolist()])
        down = scores[:, 1:].sort(1, descending=True).values
        at = (self.places[rows] * (down.shape[1] - 1)).round().long()
        far = scores[:, 0] - down.gather(1, at[:, None])[:, 0]
        far = far if self.exactly else far.clamp(min=0)
        return far.where(far.abs() > AT_GOAL, 0.0)


def likeness_goal(
    surrogate: Surrogate,
    enrollments: Sequence[list[Enrollment]],
    rng: np.random.Generator,
    places: Tensor,
    *,
    exactly: bool,
    toward_stranger: float,
) -> LikenessGoal:
    """enrollments: of each face, its own one last. rng: draws the strangers. The rest is as in `LikenessGoal`."""
    decoys = surrogate.recognizer.decoys
    center = decoys.mean(0)
    # A person's other photos weigh as much as this one: what is to go is what they have in common.
    known = [F.normalize(torch.stack([e.prototype for e in of_face]) - center).mean(0) for of_face in enrollments]
    clean, strangers = F.normalize(torch.stack(known)), F.normalize(decoys - center)
    least_alike = (clean @ strangers.T).topk(STRANGERS, largest=False).indices
    drawn = torch.from_numpy(rng.integers(STRANGERS, size=len(known))).to(decoys.device)
    stranger = strangers[least_alike.gather(1, drawn[:, None])[:, 0]]
    return LikenessGoal(
        surrogate, center, clean, stranger, enrollments, places.to(decoys.device), exactly, toward_stranger
    )


def likeness_on_random_views(
    chain: FaceChain,
    clean: Tensor,
    goals: Sequence[LikenessGoal],
    chosen: Tensor,
    landmarks: Sequence[np.ndarray],
    rng: np.random.Generator,
    timing: Timing,
) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """logits_fn for the chosen rows of the chain: of two surrogates the cosine to the clean face, less some of that to
    a stranger; 0 where the face is at its goal, and with its sign changed where it is beyond.

    A view and the two are drawn at every call, so that many steps see many of both at the cost of few, a surrogate the
    likelier the farther from their goals it found the faces last; half of the views are mirrored.

    clean: (N, 1, S, S), of every row of the chain.
    goals: of each surrogate, for every row of the chain.
    chosen: (n,), rows of the chain.
    landmarks: (5, 2) of the chosen rows.
    """
    to_go = [UNKNOWN] * len(goals)

    def logits_fn(faces: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        of_chain = chosen[rows]
        with timing.timed("warp"):
            drawn = [
                [chain.place(row, _drawn_view(landmarks[at], rng))]
                for at, row in zip(rows.tolist(), of_chain.tolist(), strict=True)
            ]
            aligned, _ = chain.faces_of_all(faces - clean[of_chain], of_chain, drawn)
        passes, likenesses = Passes(timing), []
        drawn_by = [far + rng.gumbel() for far in to_go]
        for at in sorted(range(len(goals)), key=lambda at: -drawn_by[at])[:SURROGATES_A_STEP]:
            goal, views = goals[at], aligned[at]
            mirrored = torch.from_numpy(rng.random(len(views)) < 0.5).to(views.device)
            views = views.flip(3).where(mirrored[:, None, None, None], views)
            embeddings = passes.embed(goal.surrogate, views)
            away = (goal.clean - goal.toward_stranger * goal.stranger)[of_chain]
            alike = (F.normalize(embeddings - goal.center) * away).sum(1)
            far = goal.to_go(embeddings.detach(), of_chain)
            to_go[at] = float(far.abs().mean())
            likenesses.append(alike * far.sign())
        return tuple(likenesses)

    return logits_fn


def to_go_as_found(
    chain: FaceChain, clean: Tensor, goal: LikenessGoal, chosen: Tensor, timing: Timing
) -> Callable[[Tensor, Tensor], Tensor]:
    """logits_fn for the chosen rows of the chain: how far each face (n,) is from the goal of the chain's first
    surrogate, in the chain's own view of it. The arguments are as above.
    """

    def logits_fn(faces: Tensor, rows: Tensor) -> Tensor:
        of_chain = chosen[rows]
        with timing.timed("warp"):
            seen, _ = chain.faces(faces - clean[of_chain], of_chain)
        return goal.to_go(Passes(timing).embed(goal.surrogate, seen), of_chain)

    return logits_fn


def _drawn_view(landmarks: np.ndarray, rng: np.random.Generator) -> View:
    handling = REHEARSED[rng.integers(len(REHEARSED))] if rng.random() < HANDLED_SHARE else AS_PUBLISHED
    return View(jittered(landmarks, rng), handling=handling)
