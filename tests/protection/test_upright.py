"""A face whose alignment shows no upright face is never called verified: the check would prove nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.faces.detect import Detected, detect_faces
from deid.faces.face import Face
from deid.protection import enrollment
from deid.protection.pipeline import protect
from deid.protection.protector import Protector, load_protector
from deid.types import Options


@pytest.fixture
def photo(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut[:240, 90:350]).save(path)
    return path


@pytest.fixture
def misread(astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search takes the face for one upside down, with the eyes where the cheeks are."""
    (face,) = detect_faces(astronaut[:240, 90:350])
    upside_down = Face(face.box, 2 * face.landmarks.mean(0) - face.landmarks, 1.0)
    monkeypatch.setattr(enrollment, "detect", lambda pixels, **options: Detected((upside_down,)))


def run(photo: Path, **options: object) -> tuple[Protector, Options]:
    chosen = Options(profile="paper", seed=1, **options)  # type: ignore[arg-type]
    return load_protector(chosen), chosen


@pytest.mark.usefixtures("misread")
def test_it_fails_and_says_why_and_nothing_is_written(photo: Path) -> None:
    protector, options = run(photo)
    target = photo.with_name("out.png")
    result = protect(photo, target, options, protector=protector)
    assert result.outcome == "failed"
    assert [face.outcome for face in result.faces] == ["failed"]
    assert "it does not look like a face the right way up" in result.message
    assert not target.exists()


@pytest.mark.usefixtures("misread")
def test_hidden_it_is_protected_whichever_way_up_it_is(photo: Path) -> None:
    protector, options = run(photo, fallback="blur")
    result = protect(photo, photo.with_name("out.png"), options, protector=protector)
    assert result.outcome == "protected"
    assert result.faces[0].fallback == "blur"
