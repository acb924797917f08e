from pathlib import Path

import pytest

from deid.errors import CannotWrite, UsageError
from deid.storage.private_database import open_private_database

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT)"


def test_one_holder_at_a_time_and_nobody_else_may_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.db"
    first = open_private_database(path, SCHEMA, busy="wait", broken="")
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    first.execute("INSERT INTO notes VALUES ('kept')")
    with pytest.raises(UsageError, match="wait"):
        open_private_database(path, SCHEMA, busy="wait", broken="")
    first.close()
    second = open_private_database(path, SCHEMA, busy="wait", broken="")
    assert second.execute("SELECT text FROM notes").fetchall() == [("kept",)]
    second.close()


def test_another_file_is_told_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(UsageError, match=r"state\.db: file is not a database"):
        open_private_database(path, SCHEMA, busy="", broken="{path}: {error}")


def test_what_was_broken_off_while_it_was_made_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with pytest.raises(UsageError, match="no such table: none"):
        open_private_database(path, f"{SCHEMA}; INSERT INTO none VALUES (1)", busy="", broken="{path}: {error}")
    whole = open_private_database(path, "CREATE TABLE notes (number INTEGER)", busy="", broken="{path}: {error}")
    whole.close()


@pytest.mark.parametrize("there", ["a file above it", "a folder of its name"])
def test_where_there_is_no_place_nothing_is_broken(tmp_path: Path, there: str) -> None:
    path = tmp_path / "state" / "state.db"
    if there == "a file above it":
        path.parent.write_text("")
    else:
        path.mkdir(parents=True)
    with pytest.raises(CannotWrite, match=r"state\.db cannot be written"):
        open_private_database(path, SCHEMA, busy="", broken="broken")
