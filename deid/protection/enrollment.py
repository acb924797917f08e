"""Who is in a photo: its faces, the enrolled people they match, and the conditions that follow for each face."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deid.errors import ImageError, UsageError
from deid.faces.detect import SURE, detect, detect_again
from deid.faces.face import Face
from deid.images.photo import Photo, as_seen, read_photo
from deid.protection.own_photos import OwnPhotos
from deid.protection.surrogates import Surrogate
from deid.recognizers.gallery import Enrollment, Gallery, match_person
from deid.recognizers.recognizer import Recognizer, embed_faces

ITSELF = "itself"  # the name of a face's own enrollment


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A clean face: where it is, its embedding (D,), and the enrolled person it matches, if any."""

    face: Face
    embedding: Tensor
    person: str | None


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """Who is in a photo. faces: left to right; possible: what no detector is sure of, the likeliest first."""

    faces: tuple[FoundFace, ...]
    possible: tuple[Face, ...] = ()


def find_faces(pixels: np.ndarray, surrogate: Surrogate, device: str, *, sure: float = SURE) -> FoundFaces:
    """Who is in a photo's pixels. sure: see `faces.detect.detect`."""
    detected = detect(pixels, device=device, sure=sure)
    return FoundFaces(tuple(embedded(pixels, detected.faces, surrogate)), detected.possible)


def embedded(pixels: np.ndarray, faces: Sequence[Face], surrogate: Surrogate) -> list[FoundFace]:
    """Faces of a photo's pixels, with what the surrogate makes of each."""
    if not faces:
        return []
    embeddings = embed_faces(surrogate.recognizer, pixels, [face.landmarks for face in faces])
    return [recognized(face, embedding, surrogate) for face, embedding in zip(faces, embeddings, strict=True)]


def recognized(face: Face, embedding: Tensor, surrogate: Surrogate) -> FoundFace:
    """A face with the enrolled person whom its clean embedding (D,) matches at FAR 1e-3."""
    threshold = surrogate.recognizer.thresholds.get("1e-3", 1.0)
    return FoundFace(face, embedding, match_person(embedding, surrogate.gallery, threshold))


def enrollments_of(found: FoundFace, gallery: Gallery) -> list[Enrollment]:
    """The conditions a face must meet: its person's enrollment where it has one, and last its own."""
    if found.person is None:
        return [Enrollment(ITSELF, found.embedding)]
    row = gallery.row_of(found.person)
    return [
        Enrollment(found.person, gallery.prototypes[row], (row,)),
        Enrollment(ITSELF, found.embedding, (row,)),
    ]


def enrollments_by_surrogate(
    photo: Photo, found: Sequence[FoundFace], surrogates: Sequence[Surrogate], own_photos: OwnPhotos
) -> list[list[list[Enrollment]]]:
    """For each surrogate the enrollments of each face, its own one last. Only the first knows people.

    A face that is like those of `own_photos` is enrolled as their mean, too. A face of a transparent photo is enrolled
    as it is found and looks on each background, too.
    """
    first, *others = surrogates
    landmarks = [f.face.landmarks for f in found]
    own = [
        [[Enrollment(ITSELF, embedding)] for embedding in embed_faces(other.recognizer, photo.pixels, landmarks)]
        for other in others
    ]
    enrollments = [[enrollments_of(f, first.gallery) for f in found], *own]
    for of_surrogates in zip(*enrollments, strict=True):  # of one face
        if own_photos.are_of([of_face[-1].prototype for of_face in of_surrogates]):
            for of_face, mine in zip(of_surrogates, own_photos.enrollments(), strict=True):
                of_face.insert(-1, replace(mine, excluded=of_face[-1].excluded))
    faces, device = [f.face for f in found], str(first.recognizer.device)
    for pixels in (pixels for background, pixels in as_seen(photo).items() if background):
        again = detect_again(pixels, faces, device=device)
        landmarks = [(seen or face).landmarks for seen, face in zip(again, faces, strict=True)]
        for surrogate, of_faces in zip(surrogates, enrollments, strict=True):
            for of_face, embedding in zip(of_faces, embed_faces(surrogate.recognizer, pixels, landmarks), strict=True):
                of_face.insert(-1, replace(of_face[-1], prototype=embedding))
    return enrollments


def enroll_people(folder: Path, recognizer: Recognizer, device: str) -> dict[str, Tensor]:
    """Person → embeddings (n, D): of the largest face of each photo of the person's folder.

    Raises UsageError for a folder without people, and for a person without a face.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder with a folder for each person")
    nobody = Surrogate(recognizer, Gallery(recognizer.decoys))
    people = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        embeddings = []
        for file in sorted(path for path in person.iterdir() if path.is_file() and not path.name.startswith(".")):
            try:
                found = find_faces(read_photo(file).pixels, nobody, device).faces
            except ImageError:
                continue
            if found:
                embeddings.append(max(found, key=lambda f: f.face.area).embedding)
        if not embeddings:
            raise UsageError(f"no face found in any photo of {person}")
        people[person.name] = torch.stack(embeddings)
    if not people:
        raise UsageError(f"{folder} has no folder with photos of a person in it")
    return people
