"""The output of one photo is never the photo, whatever leads to it; the work itself is a stand-in."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeProtector, save_photo

from deid.errors import UsageError
from deid.protection import pipeline
from deid.protection.pipeline import Processed, protect
from deid.types import Options, PhotoResult

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
ASKED = Options(overwrite=True, seed=1)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    save_photo(tmp_path / "in" / "a.png", 1)
    return tmp_path / "in" / "a.png"


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Stands for the attack: protects anything, after doing what the list says."""
    meanwhile: list[Callable[[], None]] = []

    def processed(source: Path, *_: object, **__: object) -> Processed:
        for step in meanwhile:
            step()
        return Processed(PhotoResult(str(source), None, "protected", "paper", "k-a3", 5), b"protected")

    monkeypatch.setattr(pipeline, "process_photo", processed)
    return meanwhile


def soft(photo: Path) -> Path:
    (photo.parent.parent / "link.png").symlink_to("in/a.png")
    return photo.parent.parent / "link.png"


def hard(photo: Path) -> Path:
    (photo.parent.parent / "link.png").hardlink_to(photo)
    return photo.parent.parent / "link.png"


def through_a_linked_folder(photo: Path) -> Path:
    (photo.parent.parent / "out").symlink_to("in")
    return photo.parent.parent / "out" / "a.png"


WAYS = [soft, hard, through_a_linked_folder]


@pytest.mark.parametrize("way", [*WAYS, lambda photo: photo])
def test_the_photo_itself_is_refused_before_any_work(
    photo: Path, work: list[Callable[[], None]], way: Callable[[Path], Path]
) -> None:
    before, output = photo.read_bytes(), way(photo)
    work.append(lambda: pytest.fail("the photo was worked on"))
    with pytest.raises(UsageError, match="the photo itself, which is never overwritten"):
        protect(photo, output, ASKED, protector=FakeProtector(ASKED))
    assert photo.read_bytes() == before
    assert output.samefile(photo)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("saved_anew", [False, True])
def test_the_photo_itself_is_refused_when_a_link_was_made_during_the_work(
    photo: Path, work: list[Callable[[], None]], way: Callable[[Path], Path], saved_anew: bool
) -> None:
    def save_anew() -> None:
        save_photo(photo.with_name("edited.png"), 4)
        photo.with_name("edited.png").replace(photo)

    if saved_anew:
        work.append(save_anew)
    work.append(lambda: (way(photo), None)[1])
    output = photo.parent.parent / ("out/a.png" if way is through_a_linked_folder else "link.png")
    with pytest.raises(UsageError, match="the photo itself"):
        protect(photo, output, ASKED, protector=FakeProtector(ASKED))
    assert photo.read_bytes() != b"protected"
    assert [path.name for path in photo.parent.iterdir()] == ["a.png"]


def test_beside_the_photo_and_through_a_link_to_another_folder_is_allowed(
    photo: Path, work: list[Callable[[], None]], tmp_path: Path
) -> None:
    assert protect(photo, None, ASKED, protector=FakeProtector(ASKED)).output == str(photo.with_name("a-protected.png"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to("elsewhere")
    protect(photo, tmp_path / "out" / "a.png", ASKED, protector=FakeProtector(ASKED))
    assert (tmp_path / "elsewhere" / "a.png").read_bytes() == b"protected"
    assert work == []


@pytest.mark.parametrize("of", ["mine", "people"])
def test_photos_that_were_only_to_be_looked_at_are_never_overwritten(
    photo: Path, work: list[Callable[[], None]], tmp_path: Path, of: str
) -> None:
    folder = tmp_path / "me"
    other = folder / "a.png" if of == "mine" else folder / "Ada" / "a.png"
    save_photo(other, 2)
    before = other.read_bytes()
    options = replace(ASKED, **{of: folder})
    with pytest.raises(UsageError, match="a photo of a person, which is never overwritten"):
        protect(photo, other, options, protector=FakeProtector(options))
    assert other.read_bytes() == before
    assert protect(photo, other.with_name("new.png"), options, protector=FakeProtector(options)).output
