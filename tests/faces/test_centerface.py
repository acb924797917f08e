import numpy as np
import pytest

from deid.errors import CheckpointError
from deid.faces import centerface as module
from deid.faces.centerface import centerface
from deid.faces.detect import detect_faces
from deid.faces.face import overlap


def test_it_finds_the_face_where_mtcnn_does_with_the_same_landmarks(astronaut: np.ndarray) -> None:
    ((face,),) = centerface(astronaut[None], threshold=0.5)
    (known,) = detect_faces(astronaut)
    assert overlap(face.box, known.box) > 0.6
    assert np.abs(face.landmarks - known.landmarks).max() < 0.12 * (known.box[2] - known.box[0])
    assert 0.5 <= face.probability <= 1


@pytest.mark.parametrize("size", [(37, 61), (64, 64), (31, 200)])
def test_pictures_of_any_size_are_taken_and_one_without_a_face_has_none(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert centerface(np.stack([noise, noise]), threshold=0.5) == [[], []]


def test_a_face_is_where_it_is_whatever_the_padding(astronaut: np.ndarray) -> None:
    """Sides that are no multiple of 32 are padded below and on the right, which moves nothing."""
    ((whole,),) = centerface(astronaut[None, :320, 64:416], threshold=0.5)
    ((padded,),) = centerface(astronaut[None, :301, 64:399], threshold=0.5)
    assert np.abs(np.subtract(whole.box, padded.box)).max() < 3


def test_the_most_certain_come_first(astronaut: np.ndarray) -> None:
    face = astronaut[:200, 130:330]
    (faces,) = centerface(np.concatenate([face, face[:, ::-1], np.roll(face, 30, 0)], 1)[None], threshold=0.3)
    assert len(faces) == 3
    assert [f.probability for f in faces] == sorted((f.probability for f in faces), reverse=True)


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module._network.cache_clear()
    monkeypatch.setattr(module, "file_sha256", lambda path: "0" * 64)
    with pytest.raises(CheckpointError, match="not the file of the manifest"):
        centerface(np.zeros((1, 64, 64, 3), np.uint8), threshold=0.5)
    module._network.cache_clear()
