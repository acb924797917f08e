"""Stored faces to train on, and where a teacher sees them."""

import numpy as np
import pytest

from deid.faces.detect import detect_faces
from deid.recognizers.checkpoints import load_recognizer
from deid.training.data import FaceSet, cut
from deid.training.targets import Targets, targets_of


@pytest.fixture(scope="session")
def faces(astronaut: np.ndarray) -> FaceSet:
    """Two dozen shades of one real face under twelve names."""
    crop, landmarks = cut(astronaut, detect_faces(astronaut)[0].landmarks)
    crops = np.stack([np.roll(crop, i, axis=1) // (1 + i % 3) for i in range(24)])
    return FaceSet(crops, np.stack([landmarks.astype(np.float32)] * 24), tuple(f"p{i // 2:02d}" for i in range(24)))


@pytest.fixture(scope="session")
def trained_on() -> np.ndarray:
    """Indices of the stored faces of people who are not held out."""
    return np.array([i for i in range(24) if i // 2 not in (0, 10)])


@pytest.fixture(scope="session")
def targets(faces: FaceSet, trained_on: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Targets:
    return targets_of(load_recognizer("dlib-resnet"), faces, trained_on, 256, tmp_path_factory.mktemp("embeddings"))
