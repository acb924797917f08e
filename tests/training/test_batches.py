import numpy as np
import torch

from deid.training.batches import draw_batch, training_batch
from deid.training.data import FaceSet
from deid.training.targets import Targets


def test_half_a_batch_are_blends_of_nobody_in_particular(
    faces: FaceSet, targets: Targets, trained_on: np.ndarray
) -> None:
    crops, landmarks, persons, goals = training_batch(faces, targets, trained_on, 12, np.random.default_rng(0))
    assert len(crops) == len(landmarks) == len(persons) == len(goals) == 12
    assert (persons[:6] >= 0).all()
    assert (persons[6:] == -1).all()
    assert torch.allclose(goals.norm(dim=1), torch.ones(12), atol=1e-5)


def test_a_third_of_a_batch_are_further_photos_of_its_people(targets: Targets, trained_on: np.ndarray) -> None:
    for seed in range(20):
        picked = draw_batch(targets, trained_on, 9, np.random.default_rng(seed))
        assert len(picked) == 9
        assert set(picked) <= set(trained_on)
        assert set(targets.persons[picked[6:]]) <= set(targets.persons[picked[:6]])
