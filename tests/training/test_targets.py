from pathlib import Path

import numpy as np
import pytest
import torch

from deid.recognizers.checkpoints import load_recognizer
from deid.training.augment import mirror
from deid.training.data import FaceSet, crops_of, held_out_people
from deid.training.targets import Targets, targets_of
from deid.training.verification import embeddings_of


def test_targets_are_where_the_teacher_sees_a_face_halfway_to_its_person(
    faces: FaceSet, targets: Targets, trained_on: np.ndarray
) -> None:
    assert targets.goals.shape == (24, 2, 128)  # no wider than the teacher's embedding
    assert torch.allclose(targets.goals.norm(dim=2), torch.ones(24, 2), atol=1e-4)
    assert targets.prototypes.shape == (10, 128)
    held_out = held_out_people(faces.names)
    for i, name in enumerate(faces.names):
        assert (targets.persons[i] == -1) == (name in held_out)
    # Similarities are the teacher's own, around the mean of the training faces.
    teacher = targets.teacher
    embeddings = torch.stack(
        [
            torch.nn.functional.normalize(embeddings_of(teacher.network, faces, np.arange(24), teacher.template, flip))
            for flip in (False, True)
        ],
        1,
    )
    centered = torch.nn.functional.normalize(embeddings - embeddings[trained_on].mean((0, 1)), dim=2)
    outside = np.setdiff1d(np.arange(24), trained_on)
    similarities = targets.goals[outside, 0] @ targets.goals[outside, 0].T
    assert torch.allclose(similarities, centered[outside, 0] @ centered[outside, 0].T, atol=0.02)
    for i in trained_on:
        own, person = targets.goals[i, 0], targets.prototypes[targets.persons[i]]
        assert float(own @ person) > float((own @ targets.prototypes.T).median())


def test_a_teacher_looks_once(faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher, people = load_recognizer("lightcnn9"), np.arange(4)
    few = FaceSet(faces.crops[:4], faces.landmarks[:4], faces.names[:4])
    first = targets_of(teacher, few, people, 16, tmp_path)
    monkeypatch.setattr(teacher.network, "forward", None)
    again = targets_of(teacher, few, people, 16, tmp_path)
    assert torch.equal(first.goals, again.goals)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]


def test_a_teacher_sees_further_faces_where_it_saw_the_stored_ones(faces: FaceSet, targets: Targets) -> None:
    held_out = np.flatnonzero(targets.persons < 0)
    for way in (0, 1):
        further = targets.see(*mirror(*crops_of(faces, held_out), np.full(len(held_out), bool(way))))
        assert torch.allclose(further, targets.goals[held_out, way], atol=0.05)
