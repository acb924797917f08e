"""Whose files are whose, and that they go."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from deid.app.sessions import Refused, Sessions, new_token


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    sessions = Sessions()
    yield sessions
    sessions.close()


def received(sessions: Sessions, name: str = "photo.png") -> Path:
    """A file as Gradio leaves an upload."""
    path = sessions.root / ("0" * 64) / name
    path.parent.mkdir()
    path.write_bytes(b"photo")
    return path


def test_an_upload_belongs_to_the_sessions_that_claim_it(sessions: Sessions) -> None:
    browser = new_token()
    session = sessions.of(browser, "page")
    upload = received(sessions)
    path = sessions.claim(upload, session)
    assert path.read_bytes() == b"photo"
    assert path.is_relative_to(session.folder)
    assert sessions.may_read(browser, path)
    assert not sessions.may_read(new_token(), path)
    # The same file in another field, or of another page, is the same upload.
    again = sessions.claim(upload, session)
    assert again != path
    assert again.read_bytes() == b"photo"
    sessions.end(browser, "page")
    assert not upload.exists()
    with pytest.raises(Refused, match="choose the file again"):
        sessions.claim(upload, sessions.of(browser, "another"))


def test_no_request_can_name_another_session_s_file_or_any_file(sessions: Sessions, tmp_path: Path) -> None:
    mine, yours = sessions.of(new_token(), "a"), sessions.of(new_token(), "b")
    private = mine.folder / "private.png"
    private.write_bytes(b"mine")
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    for path in (private, secret, sessions.root / "x" / ".." / ".." / "etc" / "passwd"):
        with pytest.raises(Refused):
            sessions.claim(path, yours)
    link = sessions.root / "f" / "link.png"
    link.parent.mkdir()
    link.symlink_to(secret)
    with pytest.raises(Refused):
        sessions.claim(link, yours)
    assert secret.exists()


def test_a_path_that_climbs_is_not_read(sessions: Sessions) -> None:
    browser, other = new_token(), new_token()
    file = sessions.of(other, "page").folder / "photo.png"
    file.write_bytes(b"photo")
    assert not sessions.may_read(browser, sessions.root / browser / ".." / file.relative_to(sessions.root))
    assert not sessions.may_read("", file)
    assert not sessions.may_read("..", file)


def test_files_go_with_their_page_and_all_with_the_server(sessions: Sessions) -> None:
    browser = new_token()
    one, two = sessions.of(browser, "one"), sessions.of(browser, "two")
    assert sessions.of(browser, "one") is one
    cancel, other = one.cancel_of("photo"), two.cancel_of("photo")
    sessions.end(browser, "one")
    assert cancel.is_set()
    assert not other.is_set()
    assert not one.folder.exists()
    assert two.folder.exists()
    sessions.close()
    assert other.is_set()
    assert not sessions.root.exists()


def test_a_job_is_asked_to_end_from_its_begin_on(sessions: Sessions) -> None:
    session = sessions.of(new_token(), "page")
    cancel = session.begin("photo")
    session.cancel_of("photo").set()
    assert cancel.is_set()
    assert not session.begin("photo").is_set()
    session.delete()
    assert session.begin("photo").is_set()  # one that begins after its page was closed
    assert session.begin("folder").is_set()


def test_what_nobody_has_claimed_goes_with_the_last_page_or_by_its_age(sessions: Sessions) -> None:
    for page in ("one", "two"):
        sessions.of(new_token(), page)
    (one, _), (two, _) = sessions._open
    fresh, old = received(sessions), sessions.root / ("1" * 64)
    old.mkdir()
    os.utime(old, (0, 0))
    broken_off = sessions.root / "tmpabcdef"
    broken_off.write_bytes(b"half")
    sessions.end(one, "one")
    assert broken_off.is_file()
    assert fresh.is_file()
    assert not old.exists()
    sessions.end(two, "two")
    assert not fresh.parent.exists()
    assert not broken_off.exists()


@pytest.mark.parametrize("browser", ["", "..", "b" * 33 + "/", "0" * 64, "b../../../../../../../../../etc/x"])
def test_a_browser_without_a_cookie_of_ours_has_no_session(sessions: Sessions, browser: str) -> None:
    with pytest.raises(Refused, match="cookies"):
        sessions.of(browser, "page")


def test_the_next_server_deletes_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import time; from deid.app.sessions import Sessions; print(Sessions().root, flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        root = Path(server.stdout.readline().strip())
        (root / "photo.png").write_bytes(b"photo")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        Sessions().close()
        assert (root / "photo.png").exists(), "its server is alive"
        server.kill()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "deid-ui-link").symlink_to(elsewhere)
    Sessions().close()
    assert not root.exists()
    assert elsewhere.exists()


KILLED = """
import os, signal
from pathlib import Path
from fakes import FakeProtector, FakeWork, save_photo
from deid.app import folder_run
from deid.app.sessions import Sessions, new_token
from deid.app.uploads import Unpacked
from deid.batch import folder
from deid.types import Options
import threading
session = Sessions().of(new_token(), "page")
photos = session.new_folder()
save_photo(photos / "a.png", 1)
folder_run.protector_for, folder.work = FakeProtector, FakeWork()
run = folder_run.begin_run(Unpacked(photos, 1, ()), session)
folder_run.run_folder(run, Options(), lambda progress: os.kill(os.getpid(), signal.SIGKILL), threading.Event())
"""


def test_after_a_kill_the_next_server_deletes_photos_and_journals_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals = Path(os.environ["XDG_STATE_HOME"]) / "face-deid" / "journals"
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": f"{tests}:{os.environ.get('PYTHONPATH', '')}"}
    ran = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, timeout=120, check=False)
    assert ran.returncode == -9, ran.stderr
    assert len(list(journals.glob("*.sqlite"))) == 1
    assert list(tmp_path.rglob("a.png"))
    other = journals / "of-a-folder.sqlite"  # of a run that is to go on
    with closing(sqlite3.connect(other)) as database, database:
        database.execute("CREATE TABLE configuration (value TEXT)")
        database.execute("INSERT INTO configuration VALUES (?)", (json.dumps({"input": "/home/ann/deid-ui-photos"}),))
    (journals / "text.sqlite").write_text("no database")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Sessions().close()
    assert sorted(path.name for path in journals.iterdir()) == ["of-a-folder.sqlite", "text.sqlite"]
    assert not list(tmp_path.rglob("a.png"))
    assert not list(tmp_path.glob("*deid-ui-*"))


def test_the_journal_of_a_page_that_is_open_stays(tmp_path: Path, sessions: Sessions) -> None:
    photos = sessions.of(new_token(), "page").new_folder()
    journals = Path(os.environ["XDG_STATE_HOME"]) / "face-deid" / "journals"
    journals.mkdir(parents=True)
    with closing(sqlite3.connect(journals / "open.sqlite")) as database, database:
        database.execute("CREATE TABLE configuration (value TEXT)")
        database.execute("INSERT INTO configuration VALUES (?)", (json.dumps({"input": quote(os.fsencode(photos))}),))
    Sessions().close()
    assert (journals / "open.sqlite").is_file()
    sessions.close()
    Sessions().close()
    assert not (journals / "open.sqlite").exists()


def test_a_folder_without_its_name_is_not_deleted_while_its_server_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in (".deid-ui-new", ".deid-ui-old"):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / ".deid-ui-old", (0, 0))
    Sessions().close()
    assert [path.name for path in tmp_path.iterdir()] == [".deid-ui-new"]


@pytest.mark.parametrize("name", ["a\0b", "\0"])
def test_a_name_with_a_nul_is_no_file(sessions: Sessions, name: str) -> None:
    browser = new_token()
    with pytest.raises(Refused):
        sessions.claim(sessions.root / name, sessions.of(browser, "page"))
    assert not sessions.may_read(browser, sessions.root / browser / name)
