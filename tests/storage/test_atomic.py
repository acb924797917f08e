"""Saving: whole or not at all, over nobody's file, whatever interrupts it."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from deid.errors import CannotWrite, ImageError, OutputExists, UsageError
from deid.storage.atomic import identities, keep_off, lies_in, same_file, write_atomically


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
    assert str(caught.value) == f"cannot write {tmp_path / 'photo.png'}: the disk is full (No space left on device)"
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


# ---------------------------------------------------------------- what is never written to


@pytest.fixture
def original(tmp_path: Path) -> Path:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    path = tmp_path / "in" / "sub" / "a.png"
    path.write_bytes(b"precious")
    return path


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("way", ["itself", "dots", "soft", "chain", "hard", "folder", "folder of a folder"])
def test_a_kept_file_is_not_written_by_any_way_to_it(tmp_path: Path, original: Path, way: str, overwrite: bool) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "a.png"
    if way == "itself":
        path = original
    elif way == "dots":
        path = tmp_path / "out" / ".." / "in" / "sub" / ".." / "sub" / "a.png"
    elif way == "soft":
        path.symlink_to("../in/sub/a.png")
    elif way == "chain":
        (tmp_path / "out" / "b.png").symlink_to(original)
        path.symlink_to("b.png")
    elif way == "hard":
        path.hardlink_to(original)
    elif way == "folder":
        (tmp_path / "out" / "sub").symlink_to("../in/sub")
        path = tmp_path / "out" / "sub" / "a.png"
    else:
        (tmp_path / "out" / "in").symlink_to("../in")
        path = tmp_path / "out" / "in" / "sub" / "a.png"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="an original, which is never overwritten"):
        write_atomically(b"data", path, overwrite=overwrite, kept=identities([original], "an original"))
    assert original.read_bytes() == b"precious"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
@pytest.mark.parametrize("name", ["new.png", "deep/er/new.png", "link.png"])
def test_nothing_is_made_in_a_kept_folder(tmp_path: Path, original: Path, name: str) -> None:
    (tmp_path / "out").symlink_to("in/sub")
    (tmp_path / "in" / "sub" / "link.png").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=r"in, a folder of originals, which is never"):
        write_atomically(
            b"data",
            tmp_path / "out" / name,
            overwrite=True,
            kept=identities([tmp_path / "in"], "a folder of originals"),
        )
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_kept_is_asked_again_when_the_data_are_on_the_disk(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    def move(_: int) -> None:
        (tmp_path / "out" / "sub").rename(tmp_path / "out" / "moved")
        (tmp_path / "out" / "sub").symlink_to(original.parent)

    (tmp_path / "out" / "sub").mkdir(parents=True)
    monkeypatch.setattr(os, "fsync", move)
    with pytest.raises(UsageError, match="never overwritten"):
        write_atomically(
            b"data", tmp_path / "out" / "sub" / "a.png", overwrite=overwrite, kept=identities([original], "an original")
        )
    assert original.read_bytes() == b"precious"
    assert [path.name for path in original.parent.iterdir()] == ["a.png"]


def test_another_case_is_the_same_file_where_the_system_says_so(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def without_case(path: Any, *arguments: Any, **keywords: Any) -> os.stat_result:
        return real(os.fspath(path).replace("SUB", "sub").replace("A.PNG", "a.png"), *arguments, **keywords)

    kept = identities([original], "an original") | identities([original.parent], "a folder of originals")
    monkeypatch.setattr(os, "stat", without_case)
    for path in (original.with_name("A.PNG"), tmp_path / "in" / "SUB" / "a.png", tmp_path / "in" / "SUB" / "new.png"):
        with pytest.raises(UsageError, match="never overwritten"):
            keep_off(path, kept)
    keep_off(tmp_path / "in" / "new.png", kept)


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_symbolic_link_that_leads_elsewhere_is_replaced_itself(tmp_path: Path, original: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    kept = identities([original, tmp_path / "missing", tmp_path / "nul\0byte"], "an original")
    for i, leads_to in enumerate(["mine", "nowhere", "link2"]):  # the last to itself
        link = tmp_path / f"link{i}"
        link.symlink_to(leads_to)
        with pytest.raises(OutputExists):
            write_atomically(b"data", link, kept=kept)
        write_atomically(b"data", link, overwrite=True, kept=kept)
        assert not link.is_symlink()
        assert link.read_bytes() == b"data"
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()


def test_what_cannot_be_looked_at_is_not_written(
    tmp_path: Path, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = identities([original], "an original")
    monkeypatch.setattr(os, "stat", raising(PermissionError(13, "Permission denied")))  # root may look everywhere
    with pytest.raises(CannotWrite, match="Permission denied"):
        write_atomically(b"data", tmp_path / "out.png", overwrite=True, kept=kept)
    monkeypatch.undo()
    assert not (tmp_path / "out.png").exists()


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_lies_in(tmp_path: Path, original: Path) -> None:
    folder = tmp_path / "in"
    (tmp_path / "link").symlink_to("in/sub")
    (tmp_path / "circle").symlink_to("circle")
    for path in (folder, original, folder / "new" / "er", tmp_path / "link", tmp_path / "link" / "new"):
        assert lies_in(path, folder)
    assert lies_in(original, tmp_path / "link")
    assert lies_in(tmp_path / "new" / "er", tmp_path / "new")
    for path in (tmp_path, tmp_path / "inner", tmp_path / "circle"):
        assert not lies_in(path, folder)


@pytest.mark.usefixtures("links")
def test_a_file_has_the_date_that_is_asked_for(tmp_path: Path) -> None:
    for name, date in (("a", 1_000_000_000_123_456_789), ("b", None)):
        write_atomically(b"new", tmp_path / name, date=date)
        changed = (tmp_path / name).stat().st_mtime_ns
        assert changed == date if date else changed > 1_700_000_000 * 10**9
