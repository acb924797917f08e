"""What is taken from many files and zips, and what never is."""

import io
import random
import stat
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from deid.app import uploads
from deid.app.sessions import Refused
from deid.app.uploads import unpack
from deid.app.zip_entries import count_entries


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


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_whatever_is_damaged_in_a_zip_it_is_said(tmp_path: Path, method: int) -> None:
    chance = random.Random(method)
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w", method) as archive:
        archive.writestr("one.png", png() * 20)
        archive.writestr("two/two.png", png())
    data = whole.read_bytes()
    told = set()
    for number in range(120):
        folder = tmp_path / str(number)
        folder.mkdir()
        broken = bytearray(data)
        for _ in range(chance.choice([1, 4, 30])):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        (folder / "a.zip").write_bytes(broken[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
        try:
            unpack([folder / "a.zip"], folder / "to")
        except Refused as refused:
            assert not (folder / "to").exists()
            told.add(str(refused).split(":")[0])
    assert told == {"The zip is damaged"}


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_what_does_not_decompress_is_damaged(tmp_path: Path, method: int) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("one.png", bytes(range(256)) * 400)
    data = bytearray(path.read_bytes())
    data[30 + 7 + 12 : 30 + 7 + 40] = b"\xff" * 28
    path.write_bytes(data)
    with pytest.raises(Refused, match="damaged"):
        unpack([path], tmp_path / "to")


def test_entries_are_counted_before_any_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_ENTRIES", 20)
    monkeypatch.setattr(uploads, "_members", lambda *_: pytest.fail("unpacked"))
    one, two = (zipped(tmp_path / name, {f"{number}.txt": b"" for number in range(11)}) for name in ("a.zip", "b.zip"))
    with pytest.raises(Refused, match="too many files"):
        unpack([one, two], tmp_path / "to")
    monkeypatch.setattr(uploads, "MAX_FILES", 5)
    photos = zipped(tmp_path / "c.zip", {f"{number}.JPG": b"" for number in range(6)})
    with pytest.raises(Refused, match="At most 5 photos"):
        unpack([photos], tmp_path / "to")


@pytest.mark.parametrize("said", [0, 1, 0xFFFF])
@pytest.mark.parametrize("comment", [b"", b"a comment"])
@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\n"])
def test_the_number_that_a_zip_says_is_not_believed(tmp_path: Path, said: int, comment: bytes, before: bytes) -> None:
    path = zipped(tmp_path / "a.zip", {f"folder/{number}.txt": b"text" for number in range(30)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = comment
    data = bytearray(path.read_bytes())
    end = data.rfind(b"PK\x05\x06")
    data[end + 8 : end + 12] = said.to_bytes(2, "little") * 2
    path.write_bytes(before + data)
    assert count_entries(path) == len(zipfile.ZipFile(path).infolist()) == 30


def test_a_large_zip_s_entries_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)  # from here on the end is written as for huge ones
    path = zipped(tmp_path / "a.zip", {f"{number}.txt": b"text" for number in range(9)})
    assert b"PK\x06\x06" in path.read_bytes()
    assert count_entries(path) == 9
    assert count_entries(zipped(tmp_path / "empty.zip", {})) == 0
    (tmp_path / "text").write_text("none")
    assert count_entries(tmp_path / "text") == 0
