"""Whose photos `reproduce adaptation` learns from, and whose it asks about."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deid.errors import UsageError
from deid.experiments.adaptation.photos import Log, protected_faces, rgb_of
from deid.experiments.kept import kept_arrays
from deid.faces.detect import detect_faces
from deid.protection.protector import Protector
from deid.training.data import CROP, FaceSet, central_face, cut, held_out_people

SEED = 0  # of the order in which training people are taken
FURTHER = 200  # held-out people besides those asked about: who else is enrolled


@dataclass(frozen=True, eq=False)
class Asked:
    """Held-out people, a row each in the first three sets.

    protected: a photo of each.
    clean: the same photo before.
    other: another photo of each, clean.
    further: a clean photo each of others.
    verified: how many of the protected photos passed their checks.
    """

    protected: FaceSet
    clean: FaceSet
    other: FaceSet
    further: FaceSet
    verified: int


def training_photos(people: Path) -> list[Path]:
    """The first photo of everyone who is not held out, in an order that any number of them is a fair sample of.

    people: a folder a person. Raises UsageError where there is nobody.
    """
    names = _names(people)
    photos = [min((people / name).glob("*.jpg"), default=None) for name in sorted({*names} - held_out_people(names))]
    found = [photo for photo in photos if photo is not None]
    if not found:
        raise UsageError(f"{people}: no people to learn from (a folder of JPEG photos for each person)")
    return [found[row] for row in np.random.default_rng(SEED).permutation(len(found))]


def held_out_photos(people: Path) -> list[list[Path]]:
    """Of every held-out person the first photos, two at most; those with two come first."""
    photos = [sorted((people / name).glob("*.jpg"))[:2] for name in sorted(held_out_people(_names(people)))]
    return sorted((of_person for of_person in photos if of_person), key=len, reverse=True)


def asked_people(people: Path, count: int, folder: Path, protector: Protector, log: Log) -> Asked:
    """The first `count` held-out people with two photos, at most; protected photos are kept in `folder`.

    Raises UsageError for fewer than two people, and as `protected_faces` does.
    """
    photos = held_out_photos(people)
    two = [of_person for of_person in photos if len(of_person) > 1][:count]
    protected = {face.name: face for face in protected_faces([first for first, _ in two], folder, protector, log)}
    others = [of_person[0] for of_person in photos[len(two) : len(two) + FURTHER]]
    clean = _clean_faces([*(photo for of_person in two for photo in of_person), *others])
    rows = [(first, second) for first, second in two if first.parent.name in protected and {first, second} <= {*clean}]
    further = [photo for photo in others if photo in clean]
    if len(rows) < 2 or not further:
        raise UsageError(
            f"{people}: {len(rows)} held-out people with faces in two photos and {len(further)} others are too few"
            " (every tenth person is held out)"
        )
    faces = [protected[first.parent.name] for first, _ in rows]
    return Asked(
        FaceSet(
            np.stack([face.protected for face in faces]),
            np.stack([face.landmarks for face in faces]),
            tuple(face.name for face in faces),
        ),
        _face_set([first for first, _ in rows], clean),
        _face_set([second for _, second in rows], clean),
        _face_set(further, clean),
        sum(face.verified for face in faces),
    )


def _names(people: Path) -> list[str]:
    return [path.name for path in people.iterdir() if path.is_dir()] if people.is_dir() else []


Clean = dict[Path, tuple[np.ndarray, np.ndarray]]
"""Photo → the crop (192, 192, 3) of its central face, and landmarks (5, 2) there."""


def _clean_faces(photos: Sequence[Path]) -> Clean:
    """Those of the photos in which a face is found."""

    def make() -> dict[str, np.ndarray]:
        crops, landmarks = np.zeros((len(photos), CROP, CROP, 3), np.uint8), np.full((len(photos), 5, 2), np.nan)
        for row, photo in enumerate(photos):
            pixels = rgb_of(photo)
            face = central_face(detect_faces(pixels), pixels.shape[:2])
            if face is not None:
                crops[row], landmarks[row] = cut(pixels, face.landmarks)
        return {"crops": crops, "landmarks": landmarks}

    faces = kept_arrays("adaptation", ["clean", [str(photo.resolve()) for photo in photos]], make)
    found = zip(photos, faces["crops"], faces["landmarks"], strict=True)
    return {photo: (crop, points) for photo, crop, points in found if np.isfinite(points).all()}


def _face_set(photos: Sequence[Path], clean: Clean) -> FaceSet:
    crops, landmarks = zip(*(clean[photo] for photo in photos), strict=True)
    return FaceSet(np.stack(crops), np.stack(landmarks), tuple(photo.parent.name for photo in photos))
