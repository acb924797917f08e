"""The saved file, looked at again: what surrogates make of every chosen face, found and aligned afresh.

Once as it is published, and once after every handling of the profile; where it is transparent, also on white and on
black. A few pixels of alignment may decide, so a face is looked at as other programs may find it, too: with either
detector, in the photo's own size and in others, cut out of it, and where it was found before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.faces.align import patch_around
from deid.faces.detect import detect_again, detect_faces, same_face
from deid.faces.face import Face
from deid.faces.looks import extremes, looks_at
from deid.images.handlings import AS_PUBLISHED
from deid.images.photo import Photo, as_seen
from deid.protection.surrogates import Surrogate
from deid.protection.task import PhotoTask
from deid.recognizers.gallery import Enrollment
from deid.recognizers.recognizer import embed_faces

SAME = 0.01  # of the eyes' distance: landmarks so near to the program's own are no other look
ORIGINAL = "its landmarks in the original"


@dataclass(frozen=True, eq=False)
class Observation:
    """One face after one handling.

    background: on which a transparent photo is seen; empty for its own colors.
    look: how another program finds the face; empty for this program's own search.
    landmarks: (5, 2) where it was found again, or its original ones.
    patch: its pixels there (C, h, w), those of the file as published where the handling leaves another size.
    ranks, similarities: of each surrogate under each of its enrollments.
    matching: whether each surrogate still accepts it, one to one, at FAR 1e-2.
    lead: by how much somebody else is more alike, at the worst, in units of `Surrogate.scores`.
    """

    handling: str
    background: str
    look: str
    landmarks: np.ndarray
    patch: Tensor
    ranks: tuple[tuple[int, ...], ...]
    similarities: tuple[tuple[float, ...], ...]
    matching: tuple[bool, ...]
    lead: float

    @property
    def matches(self) -> bool:
        return any(self.matching)

    @property
    def worst_rank(self) -> int:
        return min(min(ranks) for ranks in self.ranks)


@dataclass(frozen=True, eq=False)
class FaceCheck:
    """All observations of one face, as published first.

    aligned: the file's own colors at the original alignment (C, S, S).
    upright: whether the clean face looks like one the right way up, as it is aligned; else ranks say nothing.
    """

    observations: tuple[Observation, ...]
    aligned: Tensor
    upright: bool = True

    @property
    def published(self) -> Observation:
        return self.observations[0]


FacesSeen = Sequence[Sequence[Observation]]
"""Of each face that was looked at what was observed."""


def verify(
    task: PhotoTask,
    saved: Photo,
    rows: Sequence[int] | None = None,
    *,
    thorough: bool = True,
    given_up: Callable[[FacesSeen], bool] = lambda seen: False,
) -> list[FaceCheck]:
    """A check of each chosen face.

    saved: the encoded file, read again.
    rows: only of these of the task's faces, in this order; None: of all.
    thorough: at every look that another program may have; else only, as published, at those that differ most.
    given_up: of what each face has shown so far, asked after each handling: whether the others need not be looked at.
    """
    rows, chain = range(len(task.found)) if rows is None else rows, task.chain
    observed: list[list[Observation]] = [[] for _ in rows]
    versions = [(look, handling) for look in as_seen(saved).items() for handling in task.profile.handlings.items()]
    for (background, seen), (name, handle) in versions:  # one after the other: a large photo is not held five times
        with task.timing.timed("codec"):
            pixels = handle(seen)
        with task.timing.timed("detect"):
            looks = _looks(task, pixels, rows, is_published=name == AS_PUBLISHED and not background, thorough=thorough)
        shown = pixels if pixels.shape == seen.shape else seen
        flat = [(at, look, landmarks) for at, of_face in enumerate(looks) for look, landmarks in of_face.items()]
        with task.timing.timed("verify"):
            points = [landmarks for _, _, landmarks in flat]
            embeddings = [embed_faces(surrogate.recognizer, pixels, points) for surrogate in task.surrogates]
            patches = [_patch(task, row, shown) for row in rows]
            for number, (at, look, landmarks) in enumerate(flat):
                of_look = [embedded[number] for embedded in embeddings]
                seen_so = _observe(task, rows[at], name, background, look, landmarks, patches[at], of_look)
                observed[at].append(seen_so)
        task.progress.looked({row: min(of_face[0].ranks[0]) for row, of_face in zip(rows, observed, strict=True)})
        if given_up(observed):
            break
    return [
        FaceCheck(tuple(of_face), chain.aligned(row, _patch(task, row, saved.pixels)), task.upright[row])
        for row, of_face in zip(rows, observed, strict=True)
    ]


def _looks(
    task: PhotoTask, pixels: np.ndarray, rows: Sequence[int], *, is_published: bool, thorough: bool
) -> list[dict[str, np.ndarray]]:
    """Of each of these faces the landmarks (5, 2) at which it is looked at in a version of the photo.

    The program's own come first, under an empty name: where its search finds the face again, or it was.
    """
    faces, device = [task.found[row].face for row in rows], str(task.chain.device)
    if is_published:
        again = detect_again(pixels, faces, device=device)
        looks = looks_at(pixels, faces, device=device)
    else:  # which detector finds it where is the same in all versions: one size tells enough
        again = [None] * len(faces)
        looks = looks_at(pixels, faces, sides=(), cut_out=False, device=device)
    chosen = []
    for face, found, others in zip(faces, again, looks, strict=True):
        own = found.landmarks if found is not None else next(iter(others.values()), face.landmarks)
        same = SAME * float(np.linalg.norm(own[1] - own[0]))
        others = {
            look: landmarks
            for look, landmarks in {ORIGINAL: face.landmarks, **others}.items()
            if np.abs(landmarks - own).max() > same
        }
        if not thorough:
            others = extremes(own, others) if is_published else {}
        chosen.append({"": own, **others})
    return chosen


def shining_through(photo: Photo, faces: Sequence[Face], device: torch.device) -> list[str]:
    """What is wrong with a transparent photo in which others are seen than the `faces` of its own colors."""
    shown = [
        background.strip()
        for background, pixels in as_seen(photo).items()
        if background and any(same_face(face, faces) is None for face in detect_faces(pixels, device=str(device)))
    ]
    return [f"another face shows {' and '.join(shown)}: lay the photo on one color first"] if shown else []


def _patch(task: PhotoTask, row: int, pixels: np.ndarray) -> Tensor:
    """A face's pixels (C, h, w) in a version of the photo that has its size."""
    return patch_around(pixels, task.chain.transforms[row], task.chain.template.size).pixels


def _observe(
    task: PhotoTask,
    row: int,
    handling: str,
    background: str,
    look: str,
    landmarks: np.ndarray,
    patch: Tensor,
    embeddings: Sequence[Tensor],
) -> Observation:
    """What each surrogate makes of one face. embeddings: (D,), of each surrogate; the others as in `Observation`."""
    seen = [
        _ranked(embedding, surrogate, enrollments[row])
        for embedding, surrogate, enrollments in zip(embeddings, task.surrogates, task.enrollments, strict=True)
    ]
    return Observation(
        handling=handling,
        background=background,
        look=look,
        landmarks=landmarks,
        patch=patch,
        ranks=tuple(ranks for ranks, _, _ in seen),
        similarities=tuple(similarities for _, similarities, _ in seen),
        matching=tuple(
            surrogate.threshold is not None and max(similarities) >= surrogate.threshold
            for (_, similarities, _), surrogate in zip(seen, task.surrogates, strict=True)
        ),
        lead=min(lead for _, _, lead in seen),
    )


def _ranked(
    embedding: Tensor, surrogate: Surrogate, enrollments: list[Enrollment]
) -> tuple[tuple[int, ...], tuple[float, ...], float]:
    """Ranks and similarities of one face (D,) under each enrollment, and by how much it is not first, at the worst."""
    logits = surrogate.gallery.logits(embedding.expand(len(enrollments), -1), enrollments)
    lead = float((logits[:, 1:].amax(1) - logits[:, 0]).min()) / surrogate.recognizer.spread
    return tuple(rank_of(logits, 0).tolist()), tuple(float(embedding @ e.prototype) for e in enrollments), lead
