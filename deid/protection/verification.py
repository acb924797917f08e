"""Looking again: what surrogates make of every chosen face of an encoded file, found and aligned afresh.

Once as it is published, and once after every handling of the profile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.faces.align import patch_around
from deid.faces.chain import FaceChain
from deid.faces.detect import Face, detect_again
from deid.images.handlings import Handling
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Costs
from deid.recognizers.gallery import Enrollment


@dataclass(frozen=True, eq=False)
class Sight:
    """One face after one handling. landmarks: where it was found again, or its original ones. patch: its pixels there
    (C, h, w), those of the file as published where the handling leaves another size. ranks, similarities: of each
    surrogate under each of its enrollments. matching: whether each still accepts it, one to one, at FAR 1e-2.
    """

    handling: str
    landmarks: np.ndarray
    found_again: bool
    patch: Tensor
    ranks: tuple[tuple[int, ...], ...]
    similarities: tuple[tuple[float, ...], ...]
    matching: tuple[bool, ...]

    @property
    def matches(self) -> bool:
        return any(self.matching)


@dataclass(frozen=True, eq=False)
class Look:
    """All sights of one face, as published first. aligned: the published face at its original alignment (C, S, S)."""

    sights: tuple[Sight, ...]
    aligned: Tensor

    @property
    def published(self) -> Sight:
        return self.sights[0]


def look_again(
    saved: np.ndarray,
    faces: Sequence[Face],
    enrollments: Sequence[Sequence[list[Enrollment]]],
    surrogates: Sequence[Surrogate],
    chain: FaceChain,
    checks: Mapping[str, Handling],
    costs: Costs,
) -> list[Look]:
    """One look for each of the faces, chosen ones of the clean photo.

    saved: the file's pixels; enrollments: for each surrogate those of each face; checks: as published comes first.
    """
    looks: list[list[Sight]] = [[] for _ in faces]
    for name, handle in checks.items():  # one after the other: a large photo is not held five times
        with costs.timed("codec"):
            pixels = handle(saved)
        with costs.timed("detect"):
            matches = detect_again(pixels, faces, device=str(chain.device))
        landmarks = [found.landmarks if found else face.landmarks for found, face in zip(matches, faces, strict=True)]
        with costs.timed("verify"):
            embeddings = [surrogate.embed(pixels, landmarks) for surrogate in surrogates]
            for row, found in enumerate(matches):
                seen = [
                    _asked(embedded[row], surrogate, asked[row])
                    for embedded, surrogate, asked in zip(embeddings, surrogates, enrollments, strict=True)
                ]
                shown = pixels if pixels.shape == saved.shape else saved
                looks[row].append(
                    Sight(
                        name,
                        landmarks[row],
                        found is not None,
                        _patch(shown, chain, row),
                        tuple(ranks for ranks, _ in seen),
                        tuple(similarities for _, similarities in seen),
                        tuple(
                            surrogate.threshold is not None and max(similarities) >= surrogate.threshold
                            for (_, similarities), surrogate in zip(seen, surrogates, strict=True)
                        ),
                    )
                )
    return [Look(tuple(sights), chain.aligned(row, sights[0].patch)) for row, sights in enumerate(looks)]


def _asked(
    embedding: Tensor, surrogate: Surrogate, enrollments: list[Enrollment]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Ranks and similarities of one face (D,) under each enrollment."""
    logits = surrogate.gallery.logits(embedding.expand(len(enrollments), -1), enrollments)
    return tuple(rank_of(logits, 0).tolist()), tuple(float(embedding @ e.prototype) for e in enrollments)


def _patch(pixels: np.ndarray, chain: FaceChain, row: int) -> Tensor:
    return patch_around(pixels, chain.transforms[row], chain.template.size).pixels
