"""What a feature-level attack follows: perturbed faces → how like the clean ones surrogates find them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import jittered
from deid.faces.chain import FaceChain, View
from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, JPEG_75
from deid.protection.rank_objective import Asked, Passes
from deid.protection.timing import Costs

SURROGATES_A_STEP = 2
HANDLED_SHARE = 0.75  # of the random views
REHEARSED = (JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)
TOWARD_STRANGER = 0.5
STRANGERS = 100  # so many of the decoys, the least like the face, are drawn from


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
        passes, likeness = Passes(costs), []
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
