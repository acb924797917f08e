"""The functions behind the page, on real photos; and that importing them loads nothing."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.app import choosing, handlers, photo_result
from deid.audit import candidates
from deid.errors import Cancelled, UnreadableImage
from deid.faces import detect
from deid.protection import enrollment, pipeline
from deid.protection.progress import Step
from deid.types import Options, PhotoResult


@pytest.fixture
def photo(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "photo.jpeg"
    Image.fromarray(astronaut[:300, 50:400]).save(path, quality=95)
    return path


def test_importing_the_page_loads_no_network() -> None:
    code = "import sys, deid.app.build, deid.app.server; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.split() == ["False"]


def test_a_photo_is_what_it_holds_not_what_it_is_called(photo: Path, tmp_path: Path) -> None:
    called = tmp_path / "called.png"
    called.write_bytes(photo.read_bytes())
    assert handlers.find_faces(called).suffix == ".jpg"
    found = handlers.find_faces(photo)
    assert found.suffix == ".jpeg"
    assert len(found.boxes) == 1
    assert found.scale == 1.0
    (tmp_path / "letter.jpg").write_text("Dear all")
    with pytest.raises(UnreadableImage):
        handlers.find_faces(tmp_path / "letter.jpg")


def test_heic_is_read_shown_and_kept(photo: Path, tmp_path: Path) -> None:
    from deid.images.photo import encode_photo, read_photo

    path = tmp_path / "phone.HEIC"
    path.write_bytes(encode_photo(read_photo(photo), file_format="HEIF", quality=95, keep_metadata=False))
    found = handlers.find_faces(path)
    assert found.suffix == ".HEIC"
    assert Image.open(found.view).format == "PNG"
    assert len(found.boxes) == 1


def test_a_photo_is_protected_and_told_about(photo: Path) -> None:
    steps: list[Step] = []
    found = handlers.find_faces(photo)
    options = Options(k_level=3, profile="paper", seed=1)
    done = handlers.protect_photo(found, ["1"], options, steps.append, threading.Event())
    (face,) = done.result.faces
    assert done.result.outcome == "protected"
    assert done.saved is not None
    assert done.saved.name == "photo-protected.jpeg"
    assert Image.open(done.saved).format == "JPEG"
    (best,) = done.candidates
    assert best.size == done.strangers + 1 == 1001
    assert [candidate.name for candidate in best.before].index("this person") == 0
    assert [candidate.name for candidate in best.after].index("this person") == face.rank_after - 1
    assert {opinion.name: opinion.kind for opinion in face.recognizers} == {
        "lightcnn9": "surrogate", "dlib-resnet": "related", "mobilenet-vggface2": "related",
        "facenet-casia": "independent", "mobilefacenet-arcface": "independent",
    }  # fmt: skip
    assert steps[-1].ranks == (face.rank_after,)
    assert [step.evaluations for step in steps] == sorted(step.evaluations for step in steps)
    assert max(step.round for step in steps) >= 1
    assert steps[-1].evaluations >= face.gradient_evaluations
    assert done.settings is not None
    private = json.loads(done.settings.read_text())
    assert private["faces"][0]["k"] == face.k
    assert {opinion["class"] for opinion in private["faces"][0]["recognizers"]} >= {"surrogate", "independent"}
    assert str(photo.parent) not in done.settings.read_text()
    added = handlers.perturbation(found, done)
    assert added is not None
    assert np.asarray(Image.open(added)).std() > 1


def test_a_failure_tells_its_reason_and_no_path(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, target: Path, options: Options, **rest: object) -> PhotoResult:
        return PhotoResult(str(source), None, "failed", "paper", "k-a3", 5, message=f"{source}: face 1 (as published)")

    monkeypatch.setattr(pipeline, "protect", fail)
    done = handlers.protect_photo(handlers.find_faces(photo), ["1"], Options(), lambda step: None, threading.Event())
    assert done.result.message == "face 1 (as published)"
    assert done.saved is None
    assert done.settings is not None
    assert str(photo.parent) not in done.settings.read_text()


def test_what_no_detector_is_sure_of_and_what_was_drawn_are_protected_and_asked_about(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mosaic that hides three faces: their places and order are those of the choice, to the last recognizer."""
    pixels = np.asarray(Image.open(photo))
    Image.fromarray(np.concatenate([pixels] * 3, 1)).save(photo, quality=95)
    real = detect.detect(np.asarray(Image.open(photo)))
    assert len(real.faces) == 3
    first, second, third = real.faces
    monkeypatch.setattr(detect, "detect", lambda *_, **__: detect.Detected((first,), (third,)))
    monkeypatch.setattr(enrollment, "detect", detect.detect)
    found = handlers.find_faces(photo)
    assert (found.boxes, found.possible) == ((first.box,), (third.box,))
    found, drawn = choosing.with_drawn(found, (second.box[:2], second.box[2:]), "")
    options = Options(method="pixelate", write_unverified=True)
    done = handlers.protect_photo(found, ["?1", drawn], options, lambda step: None, threading.Event())
    assert done.names == ("1", "2 (possible face ?1)", "3 (drawn 1)")
    assert done.chosen == (2, 3)
    assert [face.outcome == "skipped" for face in done.result.faces] == [True, False, False]
    boxes = [face.box for face in done.result.faces]
    assert boxes[:2] == [first.box, third.box]
    assert boxes[2] == pytest.approx(second.box, abs=6), "as a search of the part around the drawn box sees it"
    assert done.result.possible == ()
    assert [len(face.recognizers) for face in done.result.faces] == [0, 5, 5]
    assert len(done.candidates) == 2
    assert "**Face 3 (drawn 1)**" in photo_result.verdict_text(done)
    alone = handlers.protect_photo(found, [drawn], options, lambda step: None, threading.Event())
    assert [face.outcome == "skipped" for face in alone.result.faces] == [True, False]
    assert len(alone.result.possible) == 1


@pytest.mark.parametrize("profile", ["stranger", "paper"])
def test_cancelling_ends_the_attack_at_the_next_step_and_writes_nothing(photo: Path, profile: str) -> None:
    cancel, steps = threading.Event(), []
    found = handlers.find_faces(photo)
    before = {path for path in photo.parent.rglob("*") if path.is_file()}

    def click_at_the_second(step: Step) -> None:
        steps.append(step.evaluations)
        if step.evaluations == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        handlers.protect_photo(found, ["1"], Options(profile=profile), click_at_the_second, cancel)
    assert steps == [1, 2]
    assert {path for path in photo.parent.rglob("*") if path.is_file()} == before


def test_the_largest_face_is_shown_at_three_strengths(photo: Path) -> None:
    found = handlers.find_faces(photo)
    assert found.largest is not None
    assert found.largest.box == found.boxes[0]
    paths = handlers.preview_strengths(found, threading.Event())
    assert all(path.parent == found.folder for path in paths)
    clean, *shown = (np.asarray(Image.open(path)).astype(int) for path in paths)
    assert len(shown) == len(handlers.STRENGTHS)
    changes = [np.abs(pixels - clean).mean() for pixels in shown]
    assert changes == sorted(changes)
    assert 0 < 1.5 * changes[0] < changes[-1]


def test_a_preview_that_is_no_longer_wanted_ends_and_leaves_nothing(photo: Path) -> None:
    found, cancel = handlers.find_faces(photo), threading.Event()
    before = set(found.folder.iterdir())
    cancel.set()
    with pytest.raises(Cancelled):
        handlers.preview_strengths(found, cancel)
    assert set(found.folder.iterdir()) == before


def test_without_a_face_there_is_no_preview(tmp_path: Path) -> None:
    Image.new("RGB", (80, 80)).save(tmp_path / "wall.png")
    found = handlers.find_faces(tmp_path / "wall.png")
    assert found.largest is None
    assert handlers.preview_strengths(found, threading.Event()) == []


@pytest.mark.parametrize("name", ["view.jpg", "preview.png", "perturbation.png"])
def test_no_photo_is_overwritten_by_what_is_made_of_it(photo: Path, name: str) -> None:
    path = photo.rename(photo.with_name(name))
    data = path.read_bytes()
    found = handlers.find_faces(path)
    assert len(found.boxes) == 1
    assert path.read_bytes() == data
    assert {path.parent for path in (found.view, found.preview)} == {found.folder}


def test_each_time_has_its_own_files(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "candidates_of", lambda *_, **__: [])
    found = handlers.find_faces(photo)
    options = Options(method="pixelate", write_unverified=True)
    done = [handlers.protect_photo(found, ["1"], options, lambda step: None, threading.Event()) for _ in range(2)]
    made = [path for each in done for path in (each.saved, each.settings, handlers.perturbation(found, each))]
    assert len(set(made)) == 6
    assert all(path is not None and path.is_file() for path in made)
