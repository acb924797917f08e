"""What a student is to reach: where a teacher sees the stored faces, in no more numbers than the student has."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.recognizers.precision import bfloat16_autocast
from deid.recognizers.recognizer import Recognizer
from deid.storage.atomic import write_atomically
from deid.training.augment import aligned_view
from deid.training.data import FaceSet
from deid.training.verification import embeddings_of


@dataclass(frozen=True, eq=False)
class Targets:
    """Unit vectors around the teacher's mean of the training faces.

    teacher: who sees the faces so.
    mean, directions: (D,) and (D, W), see `placed`.
    goals: (N, 2, W) of every stored face and of its mirror image, of training people halfway to their prototype.
    prototypes: (P, W), of every training person where the teacher sees them on average.
    persons: (N,) the row of each face's person among the prototypes, -1 for people held out.
    """

    teacher: Recognizer
    mean: Tensor
    directions: Tensor
    goals: Tensor
    prototypes: Tensor
    persons: np.ndarray

    @property
    def width(self) -> int:
        return self.goals.shape[2]

    def placed(self, embeddings: Tensor) -> Tensor:
        """Where unit embeddings (N, D) of the teacher's lie among the goals, (N, W)."""
        return F.normalize((embeddings - self.mean) @ self.directions)

    @torch.no_grad()
    def see(self, crops: Tensor, landmarks: np.ndarray) -> Tensor:
        """Where the teacher sees further faces, crops (N, 3, 192, 192): (N, W)."""
        views = aligned_view(crops, landmarks, self.teacher.template).to(self.teacher.device)
        with bfloat16_autocast(str(self.teacher.device)):
            embeddings = self.teacher.embed(views)
        return self.placed(embeddings.float().cpu())


def targets_of(teacher: Recognizer, faces: FaceSet, chosen: np.ndarray, width: int, cache: Path) -> Targets:
    """The teacher's unit embeddings of all faces, centered, in the training faces' first `width` principal directions.

    chosen: indices of the training faces. cache: a folder where the embeddings are kept, for they take minutes.
    """
    file = cache / f"{teacher.name}-{teacher.sha256[:16]}.npy"
    if not file.is_file():
        data = io.BytesIO()
        np.save(data, _embeddings_both_ways(teacher, faces).numpy())
        write_atomically(data.getvalue(), file)
    embeddings = torch.from_numpy(np.load(file)).float()
    mean = embeddings[chosen].mean((0, 1))
    centered = embeddings - mean
    trained_on = centered[chosen].flatten(0, 1)
    directions = torch.linalg.eigh(trained_on.T @ trained_on).eigenvectors.flip(1)[:, :width]  # largest spread first
    places = F.normalize(centered @ directions, dim=2)
    people, person_of_chosen = np.unique([faces.names[i] for i in chosen], return_inverse=True)
    persons = np.full(len(faces), -1)
    persons[chosen] = person_of_chosen
    sums = torch.zeros(len(people), places.shape[2])
    sums.index_add_(0, torch.from_numpy(person_of_chosen), places[chosen].sum(1))
    prototypes = F.normalize(sums)
    goals = places.clone()
    goals[chosen] = F.normalize(places[chosen] + prototypes[person_of_chosen][:, None], dim=2)
    return Targets(teacher, mean, directions, goals, prototypes, persons)


def _embeddings_both_ways(teacher: Recognizer, faces: FaceSet) -> Tensor:
    """Unit embeddings (N, 2, D) float16 of every face and of its mirror image."""
    everyone = np.arange(len(faces))
    both = [embeddings_of(teacher.network, faces, everyone, teacher.template, mirrored) for mirrored in (False, True)]
    return F.normalize(torch.stack(both, 1), dim=2).half()
