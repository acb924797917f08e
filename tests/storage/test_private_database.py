from pathlib import Path

import pytest

from deid.errors import UsageError
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
