"""Who the most similar identities of a face are, before and after, to the recognizer whose ranks are reported."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deid.faces.detect import detect_again
from deid.protection.enrollment import FoundFace, enrollments_of
from deid.protection.protector import Protector
from deid.recognizers.gallery import Gallery
from deid.recognizers.recognizer import embed_faces

TRUE = "this person"  # the true identity among the candidates
SHOWN = 10


@dataclass(frozen=True)
class Candidate:
    """An identity of the gallery and its similarity (cosine): `TRUE`, an enrolled person, or a decoy by number."""

    name: str
    similarity: float


@dataclass(frozen=True)
class Candidates:
    """Of one face. size: identities in the gallery; before, after: the most similar ones, the best first."""

    size: int
    before: tuple[Candidate, ...]
    after: tuple[Candidate, ...]


def candidates_of(after: np.ndarray, found: Sequence[FoundFace], protector: Protector) -> list[Candidates]:
    """Of each face. It is detected afresh in the saved file; where it is not found again, it is looked at as it was.

    after: pixels of the saved file.
    found: the faces of the clean photo.
    """
    again = detect_again(after, [f.face for f in found], device=protector.device)
    landmarks = [(face or f.face).landmarks for face, f in zip(again, found, strict=True)]
    published = embed_faces(protector.recognizer, after, landmarks) if found else ()
    return [_candidates(*of_face, protector.gallery) for of_face in zip(found, published, strict=True)]


def _candidates(found: FoundFace, published: Tensor, gallery: Gallery) -> Candidates:
    """published: (D,)."""
    enrollment = enrollments_of(found, gallery)[0]
    logits = gallery.logits(torch.stack([found.embedding, published]), [enrollment, enrollment])
    size = logits.shape[1] - len(enrollment.excluded)
    return Candidates(size, _best(logits[0], gallery), _best(logits[1], gallery))


def _best(logits: Tensor, gallery: Gallery) -> tuple[Candidate, ...]:
    best = logits.topk(min(SHOWN, len(logits)))
    decoys = len(gallery) - len(gallery.people)

    def name(column: int) -> str:
        if column == 0:
            return TRUE
        return f"decoy {column}" if column <= decoys else gallery.people[column - 1 - decoys]

    return tuple(
        Candidate(name(column), similarity)
        for similarity, column in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    )
