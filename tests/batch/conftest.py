from pathlib import Path

import pytest
from fakes import FakeWork, save_photo

from deid.batch import folder


@pytest.fixture
def attack(monkeypatch: pytest.MonkeyPatch) -> FakeWork:
    fake = FakeWork()
    monkeypatch.setattr(folder, "work", fake)
    return fake


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos each of four people, one of nobody, a broken one; a file that is no photo, and a hidden folder."""
    root = tmp_path / "in"
    for i in range(12):
        save_photo(root / f"album{i % 3}" / f"p{i:02d}.png", 1 + i % 4)
    save_photo(root / "nobody.png", 0)
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (root / "notes.txt").write_text("not a photo")
    (root / ".hidden").mkdir()
    save_photo(root / ".hidden" / "x.png", 1)
    return root
