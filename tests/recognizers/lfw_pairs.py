"""Real people for the recognizers: two aligned photos each."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from deid.faces.align import align_face
from deid.faces.mtcnn import mtcnn
from deid.faces.templates import Template
from deid.training.data import central_face


def two_photos_each(folders: Iterable[Path], count: int, template: Template) -> Tensor:
    """The first `count` people of LFW who have two photos, person by person: (2 · count, C, S, S)."""
    photos = (sorted(folder.iterdir())[:2] for folder in sorted(folders))
    files = [file for both in [both for both in photos if len(both) == 2][:count] for file in both]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    aligned = []
    for picture, found in zip(pictures, mtcnn(pictures), strict=True):
        face = central_face(found, picture.shape[:2])
        assert face is not None
        aligned.append(align_face(picture, face.landmarks, template))
    return torch.stack(aligned)


def genuine_and_impostor(embeddings: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines of unit embeddings (2 · n, D), person by person: of the n pairs of one person, of all other pairs."""
    person = torch.arange(len(embeddings)) // 2
    rows, columns = torch.triu_indices(len(embeddings), len(embeddings), offset=1)
    cosines, same = (embeddings @ embeddings.T)[rows, columns], person[rows] == person[columns]
    return cosines[same], cosines[~same]
