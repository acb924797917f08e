"""An original is never written, whatever links and mounts lead from the output folder back to it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import FakeProtector, FakeWork, run_photos, save_photo, tree

from deid.batch import folder
from deid.commands import main as cli
from deid.errors import UsageError
from deid.images.photo import read_photo
from deid.types import FolderResult

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links of POSIX")


@pytest.fixture
def originals(tmp_path: Path) -> Path:
    """Three photos of one person in `in/sub`, one of another in `in`."""
    for i in range(3):
        save_photo(tmp_path / "in" / "sub" / f"p{i}.png", 1)
    save_photo(tmp_path / "in" / "top.png", 2)
    return tmp_path / "in"


def failed(result: FolderResult) -> dict[str, str]:
    return {Path(photo.input).name: photo.message for photo in result.photos if photo.outcome == "failed"}


def into_a_linked_folder(originals: Path, out: Path) -> None:
    (out / "sub").symlink_to(originals / "sub")


def by_a_relative_link(originals: Path, out: Path) -> None:
    (out / "sub").symlink_to("../in/sub")


def by_a_chain_of_links(originals: Path, out: Path) -> None:
    (out / "between").symlink_to(originals)
    (out / "sub").symlink_to("between/sub")


LINKED_FOLDERS = [into_a_linked_folder, by_a_relative_link, by_a_chain_of_links]


@pytest.mark.parametrize("link", LINKED_FOLDERS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_through_a_linked_folder(
    originals: Path, attack: FakeWork, link: Callable[[Path, Path], None], overwrite: bool
) -> None:
    out = originals.parent / "out"
    out.mkdir()
    link(originals, out)
    before = tree(originals)
    result = run_photos(originals, overwrite=overwrite)
    assert tree(originals) == before
    assert failed(result).keys() == {"p0.png", "p1.png", "p2.png"}
    for name, message in failed(result).items():
        assert f"{out / 'sub' / name} leads to {originals / 'sub' / name}, one of the originals" in message
    assert attack.calls == {"top.png": 1}  # the others were not attacked for nothing
    assert (out / "top.png").read_bytes() == b"protected top.png"
    assert result.counts == {"failed": 3, "protected": 1}


def test_nothing_is_written_through_a_bind_mount(
    originals: Path, attack: FakeWork, bind: Callable[[Path, Path], None]
) -> None:
    bind(originals / "sub", originals.parent / "out" / "sub")
    before = tree(originals)
    result = run_photos(originals, overwrite=True)
    assert tree(originals) == before
    assert result.counts == {"failed": 3, "protected": 1}


def test_a_new_name_in_a_folder_of_originals_is_not_taken_either(tmp_path: Path, attack: FakeWork) -> None:
    """A GIF is saved as PNG, and a folder that only IN has would be made: nothing is overwritten, yet it is IN."""
    save_photo(tmp_path / "in" / "sub" / "p.gif", 1)
    save_photo(tmp_path / "in" / "deep" / "er" / "p.png", 1)
    (tmp_path / "in" / "empty").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").symlink_to("../in/sub")
    (tmp_path / "out" / "deep").symlink_to("../in/empty")
    before = sorted((tmp_path / "in").rglob("*"))
    result = run_photos(tmp_path / "in")
    assert sorted((tmp_path / "in").rglob("*")) == before
    assert result.counts == {"failed": 2}
    assert "a folder of originals" in failed(result)["p.gif"]
    assert f"leads to {tmp_path / 'in'}, a folder of originals" in failed(result)["p.png"]


def soft(original: Path, output: Path) -> None:
    output.symlink_to(original)


def hard(original: Path, output: Path) -> None:
    output.hardlink_to(original)


@pytest.mark.parametrize("link", [soft, hard])
@pytest.mark.parametrize("other", [False, True], ids=["its own", "another's"])
def test_an_output_that_is_an_original_is_refused(
    originals: Path, attack: FakeWork, link: Callable[[Path, Path], None], other: bool
) -> None:
    out = originals.parent / "out"
    out.mkdir()
    link(originals / "sub" / "p0.png" if other else originals / "top.png", out / "top.png")
    before = tree(originals)
    result = run_photos(originals, overwrite=True)
    assert tree(originals) == before
    assert failed(result).keys() == {"top.png"}
    assert (out / "top.png").samefile(originals / "sub" / "p0.png" if other else originals / "top.png")


def test_the_file_that_a_linked_original_leads_to_is_an_original(tmp_path: Path, attack: FakeWork) -> None:
    save_photo(tmp_path / "album" / "p.png", 1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "p.png").symlink_to("../album/p.png")
    before = tree(tmp_path / "album")
    result = run_photos(tmp_path / "in", tmp_path / "album", overwrite=True)
    assert tree(tmp_path / "album") == before
    assert failed(result).keys() == {"p.png"}


@pytest.mark.parametrize("link", LINKED_FOLDERS)
def test_a_link_made_during_the_attack_is_seen(
    originals: Path, attack: FakeWork, link: Callable[[Path, Path], None]
) -> None:
    out = originals.parent / "out"

    def relink(source: Path, target: Path) -> None:
        if source.parent.name == "sub" and not (out / "sub").is_symlink():
            out.mkdir(exist_ok=True)
            link(originals, out)

    attack.meanwhile = relink
    before = tree(originals)
    result = run_photos(originals, overwrite=True)
    assert tree(originals) == before
    assert result.counts == {"failed": 3, "protected": 1}
    assert not list(originals.rglob("*.part"))
    attack.meanwhile = None
    (out / "sub").unlink()
    assert run_photos(originals).counts == {"protected": 3, "skipped": 1}


def test_an_original_that_was_saved_anew_during_the_attack_is_still_one(tmp_path: Path, attack: FakeWork) -> None:
    """An editor writes another file and gives it the old one's name: another inode."""
    save_photo(tmp_path / "album" / "p.png", 1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "p.png").symlink_to("../album/p.png")

    def save_anew(source: Path, target: Path) -> None:
        (tmp_path / "out").symlink_to("album")
        save_photo(tmp_path / "edited.png", 4)
        (tmp_path / "edited.png").replace(tmp_path / "album" / "p.png")

    attack.meanwhile = save_anew
    result = run_photos(tmp_path / "in", overwrite=True)
    assert read_photo(tmp_path / "album" / "p.png").pixels[0, 0, 0] == 4
    assert failed(result).keys() == {"p.png"}


def test_a_link_to_what_is_no_original_is_replaced_and_what_it_leads_to_stays(
    originals: Path, attack: FakeWork
) -> None:
    out = originals.parent / "out"
    out.mkdir()
    (originals.parent / "mine.png").write_bytes(b"mine")
    (out / "top.png").symlink_to("../mine.png")
    (originals.parent / "elsewhere").mkdir()
    (out / "sub").symlink_to("../elsewhere")
    assert run_photos(originals).counts == {"failed": 1, "protected": 3}
    assert run_photos(originals, overwrite=True).counts == {"skipped": 3, "protected": 1}
    assert (originals.parent / "mine.png").read_bytes() == b"mine"
    assert not (out / "top.png").is_symlink()
    assert len(tree(originals.parent / "elsewhere")) == 3


def test_two_photos_are_not_saved_as_one_file(originals: Path, attack: FakeWork) -> None:
    """As on a file system without upper and lower case, or where a folder of OUT leads to another."""
    save_photo(originals / "SUB" / "p0.png", 3)
    out = originals.parent / "out"
    (out / "sub").mkdir(parents=True)
    (out / "SUB").symlink_to("sub")
    result = run_photos(originals, overwrite=True)
    assert result.counts == {"protected": 4, "failed": 1}
    assert "the saved version of" in failed(result)["p0.png"]
    assert run_photos(originals, overwrite=True).counts == {"skipped": 4, "failed": 1}


@pytest.mark.parametrize("place", ["a link", "a link into it", "links both", "mounted", "mounted above"])
def test_places_that_are_one_are_refused_at_once(
    originals: Path, attack: FakeWork, bind: Callable[[Path, Path], None], place: str
) -> None:
    source, out = originals, originals.parent / "out"
    if place == "a link":
        out.symlink_to(originals)
    elif place == "a link into it":
        out.symlink_to(originals / "sub")
    elif place == "links both":
        (originals.parent / "link").symlink_to(originals)
        out.symlink_to(originals)
        source = originals.parent / "link"
    elif place == "mounted":
        bind(originals, out)
    else:
        bind(originals, originals.parent / "mount")
        out = originals.parent / "mount" / "sub" / "new"
    before = tree(originals)
    with pytest.raises(UsageError, match="two places"):
        run_photos(source, out, overwrite=True)
    assert tree(originals) == before


def test_the_command_goes_on_and_exits_with_4(
    originals: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folder, "load_protector", FakeProtector)
    (originals.parent / "out").mkdir()
    (originals.parent / "out" / "sub").symlink_to("../in/sub")
    before = tree(originals)
    assert cli.run(["folder", str(originals), str(originals.parent / "out"), "--overwrite"]) == 4
    assert tree(originals) == before
    told = capsys.readouterr()
    assert "one of the originals" in told.out + told.err
