"""What is taken from many files and zips, and what never is."""

import io
import stat
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from deid.app import uploads
from deid.app.sessions import Refused
from deid.app.uploads import unpack


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    return file.getvalue()


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_zip_keeps_its_tree_and_photos_beside_it_their_names(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"trip/one.png": png(), "trip/two.jpg": b"broken", "notes.txt": b"hello"})
    (tmp_path / "one.png").write_bytes(png())
    (tmp_path / "unnamed").write_bytes(png())
    taken = unpack([archive, tmp_path / "one.png", tmp_path / "unnamed"], tmp_path / "to")
    assert names(taken.folder) == ["one.png", "trip/one.png", "trip/two.jpg", "unnamed.png"]
    assert taken.count == 4
    assert taken.left_out == (("notes.txt", "not a photo"),)
    assert not archive.exists()


def test_a_zip_is_known_by_its_content(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "photo.jpg", {"one.png": png()})
    assert names(unpack([archive], tmp_path / "to").folder) == ["one.png"]


def test_one_name_twice_is_two_photos(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.png").write_bytes(png())
    taken = unpack([tmp_path / "a" / "one.png", tmp_path / "b" / "one.png"], tmp_path / "to")
    assert names(taken.folder) == ["one (2).png", "one.png"]


@pytest.mark.parametrize(
    "name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png", "a/..\\..\\..\\evil.png"]
)
def test_no_name_leads_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    archive = zipped(tmp_path / "in" / "a.zip", {name: png(), "good.png": png()})
    taken = unpack([archive], tmp_path / "in" / "to")
    assert names(tmp_path) == ["in/to/good.png"]
    assert [reason for _, reason in taken.left_out] == ["its name leads out of the zip"]


def test_a_name_that_cannot_be_stored_is_left_out(tmp_path: Path) -> None:
    long = f"{'x' * 300}.png"
    archive = zipped(tmp_path / "a.zip", {"one.png": png(), "one.png/two.png": png(), long: png(), ".": png()})
    taken = unpack([archive], tmp_path / "to")
    assert names(tmp_path / "to") == ["one.png"]
    assert [name for name, _ in taken.left_out] == ["one.png/two.png", long, "."]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert unpack([tmp_path / "a.zip"], tmp_path / "to").left_out == (("link.png", "a link, not a file"),)


@pytest.mark.parametrize("limit", ["MAX_BYTES", "MAX_FILE_BYTES"])
def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(uploads, limit, 1 << 20)
    archive = zipped(tmp_path / "a.zip", {"bomb.png": bytes(64 << 20)})
    assert archive.stat().st_size < 1 << 20
    with pytest.raises(Refused, match=r"unpacks to more than 1 MB|larger than 1 MB"):
        unpack([archive], tmp_path / "to")
    assert not (tmp_path / "to").exists()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and path != archive) == 0


def test_a_zip_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "a.zip", {"good.png": png()})
    monkeypatch.setattr(uploads, "KEPT_FREE", 1 << 62)
    with pytest.raises(Refused, match="no room"):
        unpack([archive], tmp_path / "to")
    assert names(tmp_path) == ["a.zip"]


def test_a_photo_that_is_too_large_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"large.png": 3 << 20, "good.png": 1 << 20}.items():
        (tmp_path / name).write_bytes(bytes(size))
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 2 << 20)
    taken = unpack([tmp_path / "large.png", tmp_path / "good.png"], tmp_path / "to")
    assert names(tmp_path) == ["to/good.png"]
    assert taken.left_out == (("large.png", "larger than 2 MB"),)


def test_too_many_photos_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    archive = zipped(tmp_path / "a.zip", {f"{number}.png": png() for number in range(3)})
    with pytest.raises(Refused, match="At most 2"):
        unpack([archive], tmp_path / "to")


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"one.png": png() * 50})
    data = bytearray(archive.read_bytes())
    data[60:90] = bytes(30)
    archive.write_bytes(data)
    with pytest.raises(Refused, match="damaged"):
        unpack([archive], tmp_path / "to")
