"""The photos of `--mine`, with a recognizer whose embeddings are what a picture's colors say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from deid.commands.summaries import photo_summary
from deid.errors import UsageError
from deid.faces.face import Face
from deid.protection import own_photos
from deid.protection.own_photos import MINE, OwnPhotos, photos_of, read_own_photos, shared_faces
from deid.recognizers.recognizer import Recognizer
from deid.types import FaceResult, PhotoResult

ME, OTHER, THIRD = torch.eye(3)


def mixed(most: Tensor, little: Tensor) -> Tensor:
    return F.normalize(most + 0.2 * little, dim=0)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], OwnPhotos]:
    """Reads a folder, with one recognizer. A photo's columns are its faces, the first the largest; black is none."""

    def faces(pixels: np.ndarray, *, device: str) -> list[Face]:
        columns = [x for x in range(pixels.shape[1]) if pixels[0, x].any()]
        return [Face((0, 0, 10.0 - x, 10), np.full((5, 2), float(x)), 1.0) for x in columns]

    def embedded(recognizer: Recognizer, pixels: np.ndarray, landmarks: list[np.ndarray]) -> Tensor:
        return F.normalize(torch.stack([torch.tensor(pixels[0, int(points[0, 0])]).float() for points in landmarks]))

    monkeypatch.setattr(own_photos, "detect_faces", faces)
    monkeypatch.setattr(own_photos, "embed_faces", embedded)
    one = Recognizer("one", torch.nn.Identity(), None, "", {"1e-3": 0.8}, torch.empty(0))  # type: ignore[arg-type]
    return lambda: read_own_photos(tmp_path, [one], "cpu")


def save(folder: Path, name: str, *faces: Tensor) -> None:
    pixels = (255 * torch.stack(faces)).round().byte().numpy()[None].repeat(2, 0)
    Image.fromarray(pixels).save(folder / name)


def test_of_every_photo_the_face_that_most_of_them_share_is_taken(
    read: Callable[[], OwnPhotos], tmp_path: Path
) -> None:
    save(tmp_path, "a.png", OTHER, ME)  # somebody else is nearer
    save(tmp_path, "b.png", mixed(ME, THIRD))
    save(tmp_path, "c.png", mixed(ME, OTHER), THIRD)
    save(tmp_path, "nobody.png", torch.zeros(3))
    save(tmp_path, "x-protected.png", OTHER)
    save(tmp_path, ".hidden.png", OTHER)
    (tmp_path / "notes.txt").write_text("no photo")
    own = read()
    (embeddings,) = own.embeddings
    assert torch.allclose(embeddings, torch.stack([ME, mixed(ME, THIRD), mixed(ME, OTHER)]), atol=0.01)
    assert own.are_of([mixed(ME, OTHER)])
    assert not own.are_of([OTHER])
    (enrollment,) = own.enrollments()
    assert enrollment.name == MINE
    assert float(enrollment.prototype @ ME) > 0.98


def test_most_of_the_recognizers_decide_and_nobody_is_like_no_photo() -> None:
    own = OwnPhotos((ME[None], ME[None], ME[None]), (0.8, 0.8, 0.8), "0")
    assert own.are_of([ME, ME, OTHER])
    assert not own.are_of([ME, OTHER, OTHER])
    assert not OwnPhotos().are_of([ME])


def test_where_nothing_is_shared_the_largest_face_is_taken() -> None:
    assert shared_faces([torch.stack([ME, OTHER])]) == [0]
    assert shared_faces([torch.stack([OTHER, ME]), torch.stack([ME, THIRD])]) == [1, 0]


def test_the_photos_are_known_by_what_is_in_their_files(read: Callable[[], OwnPhotos], tmp_path: Path) -> None:
    save(tmp_path, "a.png", ME)
    before = read().sha256
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert read().sha256 == before, "the name says nothing"
    save(tmp_path, "b.png", mixed(ME, OTHER))
    assert read().sha256 != before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: save(folder, "a.png", torch.zeros(3)), "no face found in any photo of"),
        (lambda folder: (folder / "in").mkdir(), "no photo in .* \\(folders in it are not looked into\\)"),
        (lambda folder: (folder / "a.jpg").write_bytes(b"broken"), "a.jpg, one of your other photos, cannot be read"),
        (lambda folder: folder.rmdir(), "is not a folder with photos of you"),
    ],
)
def test_what_is_no_help_is_refused_with_its_reason(
    read: Callable[[], OwnPhotos], tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(tmp_path)
    with pytest.raises(UsageError, match=message):
        read()


@pytest.mark.parametrize(
    ("mine", "line"),
    [
        ((False, False), "--mine: no face is like those in your other photos, so they changed nothing"),
        ((True, False), "--mine: 1 face was led away from your other photos as well"),
        ((True, True), "--mine: 2 faces were led away from your other photos as well"),
    ],
)
def test_a_summary_says_whether_they_were_of_use(mine: tuple[bool, bool], line: str) -> None:
    faces = tuple(FaceResult((0, 0, 1, 1), "itself", "protected", mine=each) for each in mine)
    result = PhotoResult("a.png", "out.png", "protected", "stranger", "feature-level", 5, faces=faces)
    assert line in photo_summary(result, 1001, mine=True)
    assert not any("--mine" in each for each in photo_summary(result, 1001))


def test_other_photos_of_a_person_are_told_by_content_too(tmp_path: Path) -> None:
    """So that none is left out in silence: whoever reads them refuses what cannot be read."""
    for name in ("a.jpg", "IMG_5", "IMG_5-protected", ".hidden.jpg", "b.scan"):
        Image.new("RGB", (4, 4)).save(tmp_path / name, "JPEG")
    (tmp_path / "c.jxl").touch()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "deep.jxl").mkdir()
    assert sorted(path.name for path in photos_of(tmp_path)) == ["IMG_5", "a.jpg", "b.scan", "c.jxl"]
