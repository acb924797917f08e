"""How else than by the audit's own search a published face may be found, and what a plain search would not find.

A recognizer sees a face as it is aligned, and another program aligns it a few pixels elsewhere: «protected» is said of
every one of these looks. They are taken of the file as published alone, where the worst of them counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deid.faces.detect import detect_faces, reduced_to, same_face
from deid.faces.face import Face, scaled
from deid.faces.looks import SIDES, looks_at
from deid.faces.mtcnn import mtcnn
from deid.images.photo import Photo, as_seen

WHERE_IT_WAS = "where it was in the original"
OWN = "where this audit finds it"
# What a report's configuration says of the looks.
LOOKS = (
    WHERE_IT_WAS,
    "MTCNN",
    "CenterFace",
    *(f"at {side:,} pixels" for side in SIDES),
    "cut out",
    "on white or black",
)
SAME = 1e-3  # pixels: landmarks so near to one another give the same picture of a face
PLAIN_SIDE = 2048  # pixels: to this size usual programs reduce a photo before they look for faces


@dataclass(frozen=True, eq=False)
class Look:
    """One way to see a face. pixels: uint8 (H, W, 3) or (H, W); landmarks: (5, 2) in them."""

    name: str
    pixels: np.ndarray
    landmarks: np.ndarray


def second_looks(photo: Photo, own: Sequence[np.ndarray], places: Sequence[Face], *, device: str) -> list[list[Look]]:
    """Of each face of a published photo every look at it but the audit's own.

    own: landmarks (5, 2) at which the audit's search aligns each face; places: the original's faces, in pixels of the
    photo. A transparent photo is looked at on white and on black, too, there in its own size alone: which detector
    finds the face where is much the same.
    """
    looks: list[list[Look]] = [[] for _ in places]
    for background, pixels in as_seen(photo).items():
        if background:
            found = looks_at(pixels, places, sides=(), cut_out=False, device=device)
        else:
            found = looks_at(pixels, places, device=device)
        for of_face, landmarks, place, others in zip(looks, own, places, found, strict=True):
            named = {**({OWN: landmarks} if background else {}), WHERE_IT_WAS: place.landmarks, **others}
            of_face += [
                Look(f"{name}{background and ','}{background}", pixels, points)
                for name, points in named.items()
                if background or np.abs(points - landmarks).max() > SAME
            ]
    return looks


def shining_through(photo: Photo, known: Sequence[Face], *, device: str) -> int:
    """How many faces are found on white or on black that are none of those of a transparent photo's own colors."""
    strangers: list[Face] = []
    for background, pixels in as_seen(photo).items():
        if background:
            found = detect_faces(pixels, device=device)
            strangers += [face for face in found if same_face(face, [*known, *strangers]) is None]
    return len(strangers)


def found_plainly(pixels: np.ndarray, faces: Sequence[Face], *, device: str) -> list[bool]:
    """Whether a usual program's one look finds each face: MTCNN alone, upright, in the photo reduced to `PLAIN_SIDE`.

    pixels: uint8 (H, W, 3) RGB or (H, W) gray. A face is found where something is found at its place.
    """
    reduced = reduced_to(pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2), PLAIN_SIDE)
    x, y = pixels.shape[1] / reduced.shape[1], pixels.shape[0] / reduced.shape[0]
    found = [scaled(face, x, y) for face in mtcnn(reduced[None], device=device)[0]]
    return [same_face(face, found) is not None for face in faces]
