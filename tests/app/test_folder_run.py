"""A folder behind the page: its table, its zip, stopping and going on. With a stand-in for the attack."""

import io
import threading
import zipfile
from pathlib import Path

import fakes
import pytest
from PIL import Image

from deid.app import audit_run, folder_run
from deid.app.folder_run import RunProgress
from deid.app.folder_tab import summary
from deid.app.sessions import Session
from deid.app.uploads import Unpacked
from deid.batch import folder
from deid.batch.journal import journal_path
from deid.errors import Cancelled
from deid.types import FolderResult, Options

OPTIONS = Options(k_level=5, seed=1)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    path = tmp_path / "session"
    path.mkdir()
    return Session(path)


@pytest.fixture
def run(tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> folder_run.FolderRun:
    photos = tmp_path / "photos"
    for name, person in {"a.png": 1, "b/c.png": 2, "d.png": 3, "wall.png": 0}.items():
        fakes.save_photo(photos / name, person)
    (photos / "broken.jpg").write_bytes(b"broken")
    monkeypatch.setattr(folder_run, "protector_for", fakes.FakeProtector)
    monkeypatch.setattr(folder, "work", fakes.FakeWork())
    return folder_run.begin_run(Unpacked(photos, 5, (("notes.txt", "not a photo"),)), session)


def protect(run: folder_run.FolderRun, cancel: threading.Event | None = None) -> tuple[FolderResult, list[RunProgress]]:
    steps: list[RunProgress] = []
    result = folder_run.run_folder(run, OPTIONS, steps.append, cancel or threading.Event())
    return result, steps


def packed(run: folder_run.FolderRun, result: FolderResult, *, include_faceless: bool = False) -> list[str]:
    path = folder_run.results_zip(run, result, include_faceless=include_faceless)
    return [] if path is None else sorted(zipfile.ZipFile(path).namelist())


def test_it_tells_of_every_photo_and_packs_the_protected_ones(run: folder_run.FolderRun) -> None:
    result, steps = protect(run)
    rows = {name: (outcome, note) for _, name, outcome, note in steps[-1].rows}
    assert rows["a.png"] == ("protected", "1 face")
    assert rows["wall.png"][0] == "no-face"
    assert rows["broken.jpg"][0] == "unreadable"
    assert rows["broken.jpg"][1]
    assert steps[-1].total == 5
    assert folder_run.table_rows(steps[-1].rows, run.originals.left_out)[-1] == [
        "",
        "notes.txt",
        "left out",
        "not a photo",
    ]
    assert packed(run, result) == ["a.png", "b/c.png", "d.png"]
    assert packed(run, result, include_faceless=True) == ["a.png", "b/c.png", "d.png", "wall.png"]


def test_possible_faces_are_counted_also_of_what_was_done_before(run: folder_run.FolderRun) -> None:
    fakes.save_photo(run.originals.folder / "e.png", 4, possible=2)
    fakes.save_photo(run.originals.folder / "hedge.png", 0, possible=1)
    for _ in range(2):
        result, steps = protect(run)
        rows = {name: note for _, name, _, note in steps[-1].rows}
        assert rows["e.png"] == "1 face · 2 possible faces left as they are"
        assert summary(result).endswith("3 possible faces in 2 photos left as they are.")


def test_a_faceless_photo_is_packed_without_its_metadata(run: folder_run.FolderRun) -> None:
    exif = Image.Exif()
    exif[0x010E] = "at home"
    Image.new("RGB", (8, 8)).save(run.originals.folder / "wall.jpg", exif=exif)
    result, _ = protect(run)
    path = folder_run.results_zip(run, result, include_faceless=True)
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        data = archive.read("wall.jpg")
    assert b"at home" not in data
    assert Image.open(io.BytesIO(data)).size == (8, 8)


def test_stopped_and_started_again_it_goes_on(run: folder_run.FolderRun) -> None:
    cancel = threading.Event()

    def cancel_after_two(progress: RunProgress) -> None:
        if len(progress.rows) == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        folder_run.run_folder(run, OPTIONS, cancel_after_two, cancel)
    result, steps = protect(run)
    assert result.counts["skipped"] >= 1
    assert {outcome for _, _, outcome, _ in steps[-1].rows} == {"protected", "no-face", "unreadable"}
    assert packed(run, result) == ["a.png", "b/c.png", "d.png"]


def test_the_journal_goes_with_the_session(run: folder_run.FolderRun, session: Session) -> None:
    protect(run)
    assert journal_path(run.output).is_file()
    session.delete()
    assert not journal_path(run.output).exists()
    assert not run.output.exists()


def test_a_zip_of_one_folder_is_that_folder(tmp_path: Path, session: Session) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("album/one.png", b"1")
        archive.writestr("album/more/two.png", b"2")
    place = audit_run.take_photos([path], session)
    assert sorted(str(file.relative_to(place)) for file in place.rglob("*.png")) == ["more/two.png", "one.png"]
