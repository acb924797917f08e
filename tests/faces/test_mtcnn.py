import importlib.util
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from PIL import Image

from deid.errors import CheckpointError
from deid.faces.mtcnn import FACTOR, LARGER, MIN_PROBABILITY, SMALLEST, _networks, mtcnn
from deid.faces.mtcnn_cascade import faces_in

# Of each picture: boxes (n, 4), probabilities (n,), landmarks (n, 5, 2), from left to right.
Found = list[tuple[np.ndarray, np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def oracles() -> dict[float, MTCNN]:
    return {
        smallest: MTCNN(keep_all=True, min_face_size=smallest, factor=FACTOR)
        .eval()
        .to(memory_format=torch.channels_last)
        for smallest in (SMALLEST, LARGER)
    }


@pytest.fixture
def facenet_pytorch_finds(oracles: dict[float, MTCNN]) -> Callable[[np.ndarray, float], Found]:
    def find(pictures: np.ndarray, smallest: float) -> Found:
        try:
            found = oracles[smallest].detect(pictures, landmarks=True)
        except RuntimeError as error:
            if "expected a non-empty list" not in str(error):  # of candidates
                raise
            return [nobody()] * len(pictures)
        return [nobody() if seen[0] is None else from_left(*seen) for seen in zip(*found, strict=True)]

    return find


def nobody() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((0, 4)), np.zeros(0), np.zeros((0, 5, 2))


def from_left(*found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, probabilities, landmarks = (np.array(values, np.float64) for values in found)
    order = np.lexsort((boxes[:, 1], boxes[:, 0] + boxes[:, 2]))
    return boxes[order], probabilities[order], landmarks[order]


def found(pictures: np.ndarray, smallest: float) -> Found:
    networks, device = _networks("cpu"), torch.device("cpu")
    boxes, landmarks = faces_in(networks, pictures, smallest=smallest, factor=FACTOR, device=device)
    rows = [boxes.pictures == number for number in range(len(pictures))]
    return [from_left(boxes.edges[row], boxes.scores[row], landmarks[row]) for row in rows]


def assert_same(ours: Found, theirs: Found) -> None:
    for (boxes, probabilities, landmarks), (their_boxes, their_probabilities, their_landmarks) in zip(
        ours, theirs, strict=True
    ):
        assert len(boxes) == len(their_boxes)
        assert boxes == pytest.approx(their_boxes, abs=1e-3)
        assert landmarks == pytest.approx(their_landmarks, abs=1e-3)
        assert probabilities == pytest.approx(their_probabilities, abs=1e-5)


@pytest.mark.parametrize("smallest", [SMALLEST, LARGER])
@pytest.mark.parametrize("kind", ["whole", "turned", "upside down", "crop", "wide", "reduced", "tiny", "larger"])
def test_it_finds_what_facenet_pytorch_does(
    kind: str, smallest: float, astronaut: np.ndarray, facenet_pytorch_finds: Callable[[np.ndarray, float], Found]
) -> None:
    portrait = astronaut[:240, 90:350]
    picture = {
        "whole": astronaut,
        "turned": np.rot90(astronaut),
        "upside down": np.rot90(astronaut, 2),
        "crop": portrait,
        "wide": astronaut[100:160],
        "reduced": cv2.resize(portrait, (58, 64), interpolation=cv2.INTER_AREA),
        "tiny": cv2.resize(portrait, (30, 29), interpolation=cv2.INTER_AREA),
        "larger": cv2.resize(astronaut, (1023, 1101)),
    }[kind]
    theirs = facenet_pytorch_finds(np.ascontiguousarray(picture)[None], smallest)
    assert_same(found(picture[None], smallest), theirs)
    if kind in ("whole", "crop", "reduced", "larger"):
        assert len(theirs[0][0])


def test_a_batch_of_several_is_found_as_facenet_pytorch_does(
    astronaut: np.ndarray, facenet_pytorch_finds: Callable[[np.ndarray, float], Found]
) -> None:
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    hopper = np.asarray(Image.open(path).convert("RGB"))[:512, :512]
    pair = cv2.resize(np.concatenate([astronaut, hopper], 1), (512, 512))
    pictures = np.stack([astronaut, np.full_like(hopper, 128), hopper, astronaut[:, ::-1], pair])
    ours = found(pictures, SMALLEST)
    assert [len(boxes) for boxes, _, _ in ours] == [1, 0, 1, 1, 2]
    assert_same(ours, facenet_pytorch_finds(pictures, SMALLEST))


@pytest.mark.parametrize("kind", ["flat", "black", "noise", "thin noise", "smallest noise"])
def test_where_there_is_no_face_it_finds_none_as_facenet_pytorch(
    kind: str, facenet_pytorch_finds: Callable[[np.ndarray, float], Found]
) -> None:
    shape = {"thin noise": (21, 700, 3), "smallest noise": (20, 20, 3)}.get(kind, (200, 230, 3))
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    picture = {"flat": np.full_like(noise, 128), "black": np.zeros_like(noise)}.get(kind, noise)
    assert mtcnn(picture[None]) == [[]]
    assert_same(found(picture[None], SMALLEST), facenet_pytorch_finds(picture[None], SMALLEST))


@pytest.mark.shared_data
def test_it_finds_what_facenet_pytorch_does_in_photos_of_many(
    shared_data: Path, facenet_pytorch_finds: Callable[[np.ndarray, float], Found]
) -> None:
    photos = sorted((shared_data / "lfw").glob("*/*_0001.jpg"))[::250]
    pictures = np.stack([np.asarray(Image.open(photo).convert("RGB")) for photo in photos])
    for smallest in (SMALLEST, LARGER):
        assert_same(found(pictures, smallest), facenet_pytorch_finds(pictures, smallest))


def test_faces_are_what_it_is_sure_of(astronaut: np.ndarray) -> None:
    ((boxes, probabilities, landmarks),) = found(astronaut[None], SMALLEST)
    (faces,) = mtcnn(astronaut[None])
    assert len(faces) == int((probabilities >= MIN_PROBABILITY).sum()) == 1
    assert faces[0].box == tuple(boxes[0])
    assert faces[0].probability == probabilities[0]
    assert np.array_equal(faces[0].landmarks, landmarks[0])


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, astronaut: np.ndarray) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _networks.cache_clear()
    with pytest.raises(CheckpointError, match="pip install facenet-pytorch"):
        mtcnn(astronaut[None])
