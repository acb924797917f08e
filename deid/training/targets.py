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

    goals: (N, 2, W) of every stored face and of its mirror image, halfway to where the teacher sees the person on
    average. prototypes: (P, W), of every training person that average. persons: (N,) the place of each face's person
    among them, -1 for people held out. teacher: who sees them so. mean, directions: (D,) and (D, W), see `placed`.
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
            seen = self.teacher.embed(views)
        return self.placed(seen.float().cpu())


def targets_of(teacher: Recognizer, faces: FaceSet, chosen: np.ndarray, width: int, cache: Path) -> Targets:
    """The teacher's unit embeddings of all faces, centered, in the training faces' first `width` principal directions.

    chosen: indices of the training faces. cache: a folder where the embeddings are kept, for they take minutes.
    """
    file = cache / f"{teacher.name}-{teacher.sha256[:16]}.npy"
    if not file.is_file():
        data = io.BytesIO()
        np.save(data, _seen_both_ways(teacher, faces).numpy())
        write_atomically(data.getvalue(), file)
    seen = torch.from_numpy(np.load(file)).float()
    mean = seen[chosen].mean((0, 1))
    seen = seen - mean
    trained_on = seen[chosen].flatten(0, 1)
    directions = torch.linalg.eigh(trained_on.T @ trained_on).eigenvectors.flip(1)[:, :width]  # largest spread first
    seen = F.normalize(seen @ directions, dim=2)
    people, of_chosen = np.unique([faces.names[i] for i in chosen], return_inverse=True)
    persons = np.full(len(faces), -1)
    persons[chosen] = of_chosen
    sums = torch.zeros(len(people), seen.shape[2]).index_add(0, torch.from_numpy(of_chosen), seen[chosen].sum(1))
    prototypes = F.normalize(sums)
    goals = seen.clone()
    goals[chosen] = F.normalize(seen[chosen] + prototypes[of_chosen][:, None], dim=2)
    return Targets(teacher, mean, directions, goals, prototypes, persons)


def _seen_both_ways(teacher: Recognizer, faces: FaceSet) -> Tensor:
    """Unit embeddings (N, 2, D) float16 of every face and of its mirror image."""
    everyone = np.arange(len(faces))
    both = [embeddings_of(teacher.network, faces, everyone, teacher.template, mirrored) for mirrored in (False, True)]
    return F.normalize(torch.stack(both, 1), dim=2).half()
