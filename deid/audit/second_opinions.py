"""What recognizers make of one photo before and after: ranks, the best candidates, one-to-one comparison."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.faces.align import align_face
from deid.faces.detect import detect_faces, same_face
from deid.faces.obfuscation import OBFUSCATIONS
from deid.protection.protector import FoundFace, Protector
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.gallery import Enrollment, Gallery
from deid.recognizers.kinship import RecognizerClass, class_of
from deid.recognizers.recognizer import Recognizer

TRUE = "this person"  # the true identity among the candidates
SHOWN = 10


@dataclass(frozen=True)
class Candidate:
    """An identity of the gallery and its similarity (cosine): `TRUE`, an enrolled person, or a decoy by number."""

    name: str
    similarity: float


@dataclass(frozen=True)
class FaceOpinion:
    """One face. size: identities in the gallery; matches: at FAR 1e-2, one to one, None without a threshold."""

    rank_before: int
    rank_after: int
    size: int
    matches: bool | None
    before: tuple[Candidate, ...]
    after: tuple[Candidate, ...]


@dataclass(frozen=True)
class Opinion:
    """What one recognizer says of each face asked about. kind: how close it is to the one that was attacked."""

    recognizer: str
    kind: RecognizerClass
    faces: tuple[FaceOpinion, ...]


def ask_recognizers(
    before: np.ndarray, after: np.ndarray, found: Sequence[FoundFace], protector: Protector
) -> list[Opinion]:
    """Every recognizer whose weights are on this machine and have a gallery, the attacked one first.

    before, after: pixels of the photo and of the saved file; found: the faces to ask about. Faces are detected afresh
    in `after`; one that is not found again is looked at where it was.
    """
    again = detect_faces(after, device=protector.device)
    matches = [same_face(one.face, again) for one in found]
    landmarks = [match.landmarks if match else one.face.landmarks for match, one in zip(matches, found, strict=True)]
    entries = manifest()
    own = protector.recognizer
    surrogates = [] if protector.options.method in OBFUSCATIONS else protector.surrogates
    attacked = [entries[surrogate.recognizer.name] for surrogate in surrogates]
    opinions = [
        Opinion(
            own.name,
            class_of(entries[own.name], attacked),
            tuple(
                _opinion(one.embedding, embedding, protector.enrollments(one)[0], protector.gallery, own)
                for one, embedding in zip(found, protector.embed(after, landmarks), strict=True)
            ),
        )
    ]
    for entry in entries.values():
        if entry.name == own.name or "decoys_file" not in entry.details or not entry.path.is_file():
            continue
        other = load_recognizer(entry.name, protector.device)
        clean = _embed(other, before, [one.face.landmarks for one in found])
        published = _embed(other, after, landmarks)
        faces = tuple(
            _opinion(one, two, Enrollment("itself", one), Gallery(other.decoys), other)
            for one, two in zip(clean, published, strict=True)
        )
        opinions.append(Opinion(other.name, class_of(entry, attacked), faces))
    return opinions


def _opinion(
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


def _embed(recognizer: Recognizer, pixels: np.ndarray, landmarks: Sequence[np.ndarray]) -> Tensor:
    faces = torch.stack([align_face(pixels, points, recognizer.template) for points in landmarks])
    with torch.no_grad():
        return recognizer.embed(faces.to(recognizer.device))
