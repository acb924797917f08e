"""What recognizers make of one photo before and after: ranks, the best candidates, one-to-one comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.faces.detect import detect_again
from deid.methods import is_obfuscation
from deid.protection.enrollment import FoundFace, enrollments_of
from deid.protection.protector import Load, Protector
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.gallery import Enrollment, Gallery
from deid.recognizers.kinship import RecognizerClass, class_of
from deid.recognizers.recognizer import Recognizer, embed_faces

TRUE = "this person"  # the true identity among the candidates
SHOWN = 10


@dataclass(frozen=True)
class Candidate:
    """An identity of the gallery and its similarity (cosine): `TRUE`, an enrolled person, or a decoy by number."""

    name: str
    similarity: float


@dataclass(frozen=True)
class FaceOpinion:
    """One face.

    rank_before, rank_after: of the true identity, 1 = recognized.
    size: identities in the gallery.
    matches: whether a comparison one to one accepts it, at FAR 1e-2; None without a threshold.
    before, after: the most similar identities, the best first.
    """

    rank_before: int
    rank_after: int
    size: int
    matches: bool | None
    before: tuple[Candidate, ...]
    after: tuple[Candidate, ...]


@dataclass(frozen=True)
class Opinion:
    """What one recognizer says of each face asked about. kind: how close it is to those that were attacked."""

    recognizer: str
    kind: RecognizerClass
    faces: tuple[FaceOpinion, ...]


def ask_recognizers(
    before: np.ndarray,
    after: np.ndarray,
    found: Sequence[FoundFace],
    protector: Protector,
    *,
    load: Load = load_recognizer,
) -> list[Opinion]:
    """Every recognizer whose weights are on this machine and have a gallery, the attacked one first.

    Faces are detected afresh in `after`; one that is not found again is looked at where it was.

    before, after: pixels of the photo and of the saved file.
    found: the faces to ask about.
    load: of recognizers that were not attacked.
    """
    original = [f.face.landmarks for f in found]
    again = detect_again(after, [f.face for f in found], device=protector.device)
    landmarks = [face.landmarks if face else points for face, points in zip(again, original, strict=True)]
    entries = manifest()
    attacked = [] if is_obfuscation(protector.options.method) else protector.surrogates
    surrogates = [entries[surrogate.recognizer.name] for surrogate in attacked]

    def opinion(recognizer: Recognizer, gallery: Gallery, enrolled: Sequence[Enrollment], clean: Tensor) -> Opinion:
        published = embed_faces(recognizer, after, landmarks)
        faces = tuple(
            _face_opinion(*of_face, gallery, recognizer) for of_face in zip(clean, published, enrolled, strict=True)
        )
        return Opinion(recognizer.name, class_of(entries[recognizer.name], surrogates), faces)

    own = protector.recognizer
    enrolled = [enrollments_of(f, protector.gallery)[0] for f in found]
    opinions = [opinion(own, protector.gallery, enrolled, torch.stack([f.embedding for f in found]))]
    for entry in entries.values():
        if entry.name == own.name or entry.decoys_path is None or not entry.path.is_file():
            continue
        other = load(entry.name, protector.device)
        clean = embed_faces(other, before, original)
        itself = [Enrollment("itself", embedding) for embedding in clean]
        opinions.append(opinion(other, Gallery(other.decoys), itself, clean))
    return opinions


def _face_opinion(
    clean: Tensor, published: Tensor, enrollment: Enrollment, gallery: Gallery, recognizer: Recognizer
) -> FaceOpinion:
    logits = gallery.logits(torch.stack([clean, published]), [enrollment, enrollment])
    before, after = (int(rank) for rank in rank_of(logits, 0))
    threshold = recognizer.thresholds.get("1e-2")
    matches = None if threshold is None else float(published @ clean) >= threshold
    size = logits.shape[1] - len(enrollment.excluded)
    return FaceOpinion(before, after, size, matches, _best(logits[0], gallery), _best(logits[1], gallery))


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
