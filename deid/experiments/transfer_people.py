"""The people that `reproduce transfer` measures, and the gallery of others that they are searched among."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.images.photo import read_photo
from deid.recognizers.recognizer import Recognizer, embed_faces
from deid.training.data import central_face, held_out_people
from deid.training.verification import verify


@dataclass(frozen=True, eq=False)
class Person:
    """Two photos of one person, clean. embeddings: recognizer → (2, D), of the first photo and of the other."""

    name: str
    photo: Path
    face: Face
    embeddings: Mapping[str, np.ndarray]


def measured_people(folder: Path, count: int, recognizers: Sequence[Recognizer]) -> list[Person]:
    """The first `count` held-out people with a face in each of their first two photos. folder: a folder a person."""
    people: list[Person] = []
    for name in sorted(held_out_people(path.name for path in folder.iterdir() if path.is_dir())):
        photos = sorted((folder / name).glob("*.jpg"))[:2]
        if len(photos) < 2:
            continue
        pixels = [read_photo(photo).pixels for photo in photos]
        centers = [central_face(detect_faces(photo), photo.shape[:2]) for photo in pixels]
        faces = [face for face in centers if face is not None]
        if len(faces) < 2:
            continue
        embeddings = {
            recognizer.name: np.stack(
                [embedding_of(recognizer, photo, face) for photo, face in zip(pixels, faces, strict=True)]
            )
            for recognizer in recognizers
        }
        people.append(Person(name, photos[0], faces[0], embeddings))
        if len(people) == count:
            break
    return people


def gallery_of_others(folder: Path, size: int, recognizers: Sequence[Recognizer]) -> dict[str, np.ndarray]:
    """Recognizer → (G, D) with G ≤ `size`: a photo each of people who are never held out, so none of those measured."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    others = sorted(set(names) - held_out_people(names))
    embeddings: dict[str, list[np.ndarray]] = {recognizer.name: [] for recognizer in recognizers}
    for name in others[:: len(others) // size or 1]:
        pixels = read_photo(min((folder / name).glob("*.jpg"))).pixels
        face = central_face(detect_faces(pixels), pixels.shape[:2])
        if face is not None:
            for recognizer in recognizers:
                embeddings[recognizer.name].append(embedding_of(recognizer, pixels, face))
        if min(map(len, embeddings.values())) == size:
            break
    return {name: np.stack(of_recognizer) for name, of_recognizer in embeddings.items()}


def threshold_of(people: Sequence[Person], recognizer: str) -> float:
    """The cosine that one in a hundred clean pairs of strangers among these people exceeds."""
    embeddings = torch.from_numpy(np.concatenate([person.embeddings[recognizer] for person in people]))
    return verify(embeddings, tuple(person.name for person in people for _ in range(2))).thresholds[0]


def embedding_of(recognizer: Recognizer, pixels: np.ndarray, face: Face) -> np.ndarray:
    """The unit embedding (D,) of one face of a photo."""
    return embed_faces(recognizer, pixels, [face.landmarks])[0].cpu().numpy()
