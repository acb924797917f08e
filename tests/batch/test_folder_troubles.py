"""What a folder run promises when something is in its way: odd files, changed photos, full disks, other programs."""

import errno
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import fakes
import pytest
from fakes import FakeWork, KilledError, run_photos, save_photo, tree

from deid.batch import commit as committing
from deid.batch import plan
from deid.batch.journal import Journal, journal_path
from deid.errors import CannotWrite, UnreadableImage, UsageError
from deid.images.photo import Photo, read_photo
from deid.types import FolderResult, PhotoResult


def of(result: FolderResult, name: str) -> PhotoResult:
    (photo,) = [photo for photo in result.photos if Path(photo.input).name == name]
    return photo


# ---------------------------------------------------------------- what lies in the two folders


def test_a_foreign_file_that_appears_while_a_photo_is_processed_is_left_alone(photos: Path, attack: FakeWork) -> None:
    def save_something_else(source: Path, target: Path) -> None:
        if source.name == "p00.png":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"mine")

    attack.meanwhile = save_something_else
    result = run_photos(photos)
    assert of(result, "p00.png").outcome == "failed"
    assert result.counts["protected"] == 11
    assert (photos.parent / "out" / "album0" / "p00.png").read_bytes() == b"mine"


def test_a_folder_under_an_outputs_name_stays_even_when_asked_to_overwrite(photos: Path, attack: FakeWork) -> None:
    taken = photos.parent / "out" / "album0" / "p00.png"
    taken.mkdir(parents=True)
    result = run_photos(photos)
    assert of(result, "p00.png").outcome == "failed"
    assert result.counts["protected"] == 11
    assert of(run_photos(photos, overwrite=True), "p00.png").outcome == "failed"
    assert taken.is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names in Unicode")
def test_a_name_that_is_no_text_is_a_name_like_any_other(photos: Path, attack: FakeWork) -> None:
    name = os.fsdecode(b"p\xff.png")
    (photos / "album0" / "p00.png").rename(photos / "album0" / name)
    assert of(run_photos(photos), name).outcome == "protected"
    assert (photos.parent / "out" / "album0" / name).is_file()
    assert of(run_photos(photos), name).outcome == "skipped"


def test_a_photo_that_may_not_be_opened_is_unreadable_and_the_others_go_on(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = plan.file_sha256

    def denied(path: Path) -> str:
        if path == photos / "album0" / "p00.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(plan, "file_sha256", denied)  # a test run by root may open everything
    result = run_photos(photos)
    assert result.counts == {"protected": 11, "no-face": 1, "unreadable": 2}
    assert "Permission denied" in of(result, "p00.png").message


@pytest.mark.parametrize("since", ["the search", "the work"])
def test_a_photo_that_a_disk_did_not_give_once_is_looked_at_again(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    def failing(path: Path) -> Photo:
        if path.name == "p00.png":
            raise UnreadableImage("the file cannot be read: Input/output error")
        return read_photo(path)

    with monkeypatch.context() as patch:
        for reader in (plan, fakes) if since == "the search" else (fakes,):
            patch.setattr(reader, "read_photo", failing)
        assert of(run_photos(photos), "p00.png").outcome == "unreadable"
    assert of(run_photos(photos), "p00.png").outcome == "protected"


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
@pytest.mark.parametrize(("kind", "message"), [("broken link", "No such file"), ("pipe", "not an ordinary file")])
def test_broken_links_and_pipes_are_accounted_for(photos: Path, attack: FakeWork, kind: str, message: str) -> None:
    if kind == "pipe":
        os.mkfifo(photos / "odd.png")
    else:
        (photos / "odd.png").symlink_to(photos / "nowhere.png")
    result = run_photos(photos)
    assert of(result, "odd.png").outcome == "unreadable"
    assert message in of(result, "odd.png").message
    assert result.counts["protected"] == 12


def test_photos_are_not_saved_where_the_journals_are(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(photos.parent / "out" / "state"))
    with pytest.raises(UsageError, match="private journals"):
        run_photos(photos)
    assert not (photos.parent / "out").exists()


def test_another_input_into_the_same_output_is_refused(tmp_path: Path, attack: FakeWork) -> None:
    save_photo(tmp_path / "a" / "same.png", 1)
    save_photo(tmp_path / "b" / "same.png", 2)
    run_photos(tmp_path / "a")
    before = tree(tmp_path / "out")
    attack.version = b" of b"
    with pytest.raises(UsageError, match="input was"):
        run_photos(tmp_path / "b")
    assert tree(tmp_path / "out") == before


def test_of_photos_for_one_name_the_one_saved_before_keeps_it(tmp_path: Path, attack: FakeWork) -> None:
    photos = tmp_path / "in"
    save_photo(photos / "a.png", 1)
    assert run_photos(photos).counts == {"protected": 1}
    save_photo(photos / "a.gif", 2)  # before a.png by its name, and by its person, who has more photos
    for i in range(3):
        save_photo(photos / f"z{i}.png", 2)
    result = run_photos(photos)
    assert of(result, "a.png").outcome == "skipped"
    assert "same name" in of(result, "a.gif").message
    assert (tmp_path / "out" / "a.png").read_bytes() == b"protected a.png"


# ---------------------------------------------------------------- photos that change or go


def test_a_changed_photo_replaces_its_earlier_output_even_after_a_crash_before_the_write(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KilledError

    run_photos(photos)
    save_photo(photos / "album0" / "p00.png", 4)
    attack.version = b" again"
    with monkeypatch.context() as patch:
        patch.setattr(committing, "write_atomically", killed)
        with pytest.raises(KilledError):
            run_photos(photos)
    assert run_photos(photos).counts == {"skipped": 11, "protected": 1, "no-face": 1, "unreadable": 1}
    assert (photos.parent / "out" / "album0" / "p00.png").read_bytes() == b"protected p00.png again"


def test_a_changed_photo_without_a_face_tells_of_its_earlier_output(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    before = tree(photos.parent / "out")
    save_photo(photos / "album0" / "p00.png", 0)
    for _ in range(2):
        photo = of(run_photos(photos), "p00.png")
        assert photo.outcome == "no-face"
        assert "earlier version" in photo.message
    assert tree(photos.parent / "out") == before


def test_a_changed_photo_does_not_count_among_its_earlier_persons_photos(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    save_photo(photos / "album0" / "p00.png", 4)
    run_photos(photos)
    with sqlite3.connect(journal_path(photos.parent / "out")) as journal:
        assert journal.execute("SELECT faces FROM clusters ORDER BY faces").fetchall() == [(2,), (3,), (3,), (4,)]
    journal.close()


def test_ranks_of_photos_gone_from_both_folders_count_no_more(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    shutil.rmtree(photos.parent / "out")
    for file in photos.rglob("p*.png"):
        if file.name != "p00.png":
            file.unlink()
    result = run_photos(photos)
    assert result.pmf == {str(of(result, "p00.png").faces[0].rank_after): 1}


def test_ranks_of_photos_that_are_still_published_count(photos: Path, attack: FakeWork) -> None:
    first = run_photos(photos)
    for file in photos.rglob("p*.png"):
        file.unlink()
    assert run_photos(photos).pmf == first.pmf


# ---------------------------------------------------------------- single photos that fail


def test_a_face_number_that_one_photo_lacks_fails_that_photo_alone(photos: Path, attack: FakeWork) -> None:
    def lacks(source: Path, target: Path) -> None:
        if source.name == "p03.png":
            raise UsageError("there is no face 2")

    attack.meanwhile = lacks
    result = run_photos(photos)
    assert result.counts == {"protected": 11, "failed": 1, "no-face": 1, "unreadable": 1}
    assert "no face 2" in of(result, "p03.png").message


def test_face_numbers_do_not_make_photos_without_a_face_or_unreadable_ones_fail(photos: Path, attack: FakeWork) -> None:
    assert run_photos(photos, faces="1").counts == {"protected": 12, "no-face": 1, "unreadable": 1}
    assert run_photos(photos, photos.parent / "others", faces="2").counts == {
        "failed": 12,
        "no-face": 1,
        "unreadable": 1,
    }


def test_faces_written_unverified_are_in_the_distribution_of_ranks(photos: Path, attack: FakeWork) -> None:
    attack.unverified = {"p03.png"}
    result = run_photos(photos, write_unverified=True)
    assert of(result, "p03.png").outcome == "failed"
    assert result.pmf["1"] == pytest.approx(1 / 12)


# ---------------------------------------------------------------- the disk and the journal


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ESTALE])
def test_once_nothing_can_be_written_no_further_photo_is_tried(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise CannotWrite("cannot write it") from OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(committing, "write_atomically", full)
        result = run_photos(photos)
    assert result.counts == {"failed": 14}
    assert attack.calls.total() == 1
    assert sum("not tried after this" in photo.message for photo in result.photos) == 13
    assert run_photos(photos).counts == {"protected": 12, "no-face": 1, "unreadable": 1}


def test_a_run_ends_when_its_journal_cannot_be_written_and_goes_on_later(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "intend", full)
        with pytest.raises(CannotWrite, match=r"journal .* cannot be written: database or disk is full"):
            run_photos(photos)
    assert tree(photos.parent / "out") == {}  # never a photo that the journal does not know
    assert run_photos(photos).counts == {"protected": 12, "no-face": 1, "unreadable": 1}


def test_a_damaged_journal_is_refused_and_nothing_is_written(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    before = tree(photos.parent / "out")
    journal_path(photos.parent / "out").write_bytes(b"not a database" * 100)
    attack.version = b" again"
    with pytest.raises(UsageError, match="move it away"):
        run_photos(photos)
    assert tree(photos.parent / "out") == before


def test_with_a_seed_an_interrupted_run_draws_as_an_uninterrupted_one(
    photos: Path, attack: FakeWork, tmp_path: Path
) -> None:
    def killed_at_the_fourth(source: Path, target: Path) -> None:
        if attack.calls.total() == 4:
            raise KilledError

    def drawn(result: FolderResult) -> list[int | None]:
        return [face.k for photo in result.photos for face in photo.faces]

    attack.meanwhile = killed_at_the_fourth
    with pytest.raises(KilledError):
        run_photos(photos, tmp_path / "parts")
    attack.meanwhile = None
    assert drawn(run_photos(photos, tmp_path / "parts")) == drawn(run_photos(photos, tmp_path / "whole"))
