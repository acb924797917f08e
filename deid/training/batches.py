"""What one step of training is shown: stored faces, and blended ones of nobody."""

import numpy as np
import torch
from torch import Tensor

from deid.training.augment import blended, mirror
from deid.training.data import FaceSet, crops_of
from deid.training.targets import Targets

BLENDED = 0.5  # share of a batch: faces of nobody, which the teacher is shown as they come


def draw_batch(targets: Targets, chosen: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of faces: two thirds at random, the others further photos of the same people where there are any."""
    drawn = rng.choice(chosen, min(size - size // 3, len(chosen)), replace=False)
    persons = targets.persons[chosen]
    photos = [chosen[persons == person] for person in targets.persons[drawn]]
    further = [rng.choice(own) for own in photos if len(own) > 1][: size // 3]
    return np.concatenate([drawn, np.array(further, int), rng.choice(chosen, size - len(drawn) - len(further))])


def training_batch(
    faces: FaceSet, targets: Targets, chosen: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray, np.ndarray, Tensor]:
    """Crops (N, 3, 192, 192), landmarks (N, 5, 2), persons (N,) and goals (N, W): stored faces, then blended ones.

    Of people there are a few thousand, of blends no end (mixed inputs in distillation: Beyer et al., CVPR 2022).
    """

    def mirrored_crops(picked: np.ndarray, mirrored: np.ndarray) -> tuple[Tensor, np.ndarray]:
        return mirror(*crops_of(faces, picked), mirrored)

    blend_count = int(BLENDED * size)
    picked = draw_batch(targets, chosen, size - blend_count, rng)
    mirrored = rng.random(len(picked)) < 0.5
    crops, landmarks = mirrored_crops(picked, mirrored)
    goals = targets.goals[picked, mirrored.astype(int)]
    first, second = (mirrored_crops(rng.choice(chosen, blend_count), rng.random(blend_count) < 0.5) for _ in range(2))
    blends, blend_landmarks = blended(*first, *second, rng)
    return (
        torch.cat([crops, blends]),
        np.concatenate([landmarks, blend_landmarks]),
        np.concatenate([targets.persons[picked], np.full(blend_count, -1)]),
        torch.cat([goals, targets.see(blends, blend_landmarks)]),
    )
