"""Saving: whole or not at all, over nobody's file, whatever interrupts it."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from deid.errors import CannotWrite, ImageError, OutputExists
from deid.storage.atomic import same_file, write_atomically


def no_links(*_: Any, **__: Any) -> NoReturn:
    raise OSError(95, "Operation not supported")


@pytest.fixture(params=["links", "no links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_links)


@pytest.mark.usefixtures("links")
def test_write_makes_parents_and_leaves_only_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "photo.png"
    write_atomically(b"data", path)
    assert path.read_bytes() == b"data"
    assert [p.name for p in path.parent.iterdir()] == ["photo.png"]


@pytest.mark.usefixtures("links")
def test_write_does_not_clobber_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"old")
    with pytest.raises(OutputExists, match=r"photo\.png exists"):
        write_atomically(b"new", path)
    # Another program takes the name between the first look and the end.
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "lexists", lambda _: False)
        with pytest.raises(OutputExists):
            write_atomically(b"new", path)
    assert path.read_bytes() == b"old"
    write_atomically(b"new", path, overwrite=True)
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.usefixtures("links")
def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    results: list[str] = []
    gate = threading.Barrier(8)

    def writer(number: int) -> None:
        gate.wait()
        try:
            write_atomically(bytes([number]) * 1_000, path)
            results.append("written")
        except OutputExists:
            results.append("exists")

    threads = [threading.Thread(target=writer, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["exists"] * 7 + ["written"]
    data = path.read_bytes()
    assert len(data) == 1_000
    assert len(set(data)) == 1
    assert len(list(tmp_path.iterdir())) == 1


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def raise_it(*_: Any, **__: Any) -> NoReturn:
        raise error

    return raise_it


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("where", ["fsync", "replace", "fdopen"])
def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, overwrite: bool) -> None:
    full = raising(OSError(28, "No space left on device"))
    monkeypatch.setattr(os, "link", no_links)
    if where == "replace":
        monkeypatch.setattr(Path, "replace", full)
    else:
        monkeypatch.setattr(os, where, full)
    with pytest.raises(CannotWrite) as caught:
        write_atomically(b"data", tmp_path / "photo.png", overwrite=overwrite)
    assert str(caught.value) == f"cannot write {tmp_path / 'photo.png'}: No space left on device"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["fsync", "link", "replace"])
def test_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "replace":
        monkeypatch.setattr(os, "link", no_links)
        monkeypatch.setattr(Path, "replace", raising(KeyboardInterrupt()))
    else:
        monkeypatch.setattr(os, where, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(b"data", tmp_path / "photo.png")
    assert list(tmp_path.iterdir()) == []


def test_temporary_file_has_the_promised_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.extend(p.name for p in tmp_path.iterdir()))
    write_atomically(b"data", tmp_path / ("x" * 250))  # a long name must not make the temporary one too long
    assert len(seen) == 1
    assert seen[0].startswith(".")
    assert seen[0].endswith(".part")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "photo.png", tmp_path / ("y" * 300), tmp_path / "nul\0byte"):
        with pytest.raises(ImageError, match="cannot write") as caught:
            write_atomically(b"data", path, overwrite=True)
        assert "\n" not in str(caught.value)
    with pytest.raises(CannotWrite):
        write_atomically(b"data", tmp_path / "folder", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    with pytest.raises(CannotWrite, match="Permission denied"):
        write_atomically(b"data", folder / "photo.png")


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
@pytest.mark.usefixtures("links")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_file_mode_follows_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(b"data", tmp_path / "photo.png")
    finally:
        os.umask(before)
    assert (tmp_path / "photo.png").stat().st_mode & 0o777 == mode


def test_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a.png", tmp_path / "b.png"
    first.write_bytes(b"1")
    second.write_bytes(b"1")
    (tmp_path / "soft").symlink_to(first)
    (tmp_path / "hard").hardlink_to(first)
    monkeypatch.chdir(tmp_path)
    for other in (
        first,
        tmp_path / "soft",
        tmp_path / "hard",
        Path("a.png"),
        tmp_path / "x" / ".." / "a.png",
    ):
        if "x" not in other.parts:
            assert same_file(first, other)
    assert not same_file(first, second)
    assert not same_file(first, tmp_path / "missing")
    assert same_file(Path("missing"), tmp_path / "missing")
    assert not same_file(tmp_path / "missing", tmp_path / "other")
