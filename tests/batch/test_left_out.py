"""Of everything that looks like a picture a folder run says what became of it."""

import json
import os
import shutil
from pathlib import Path

import pytest
from fakes import FakeProtector, FakeWork, run_photos, save_photo, tree
from PIL import Image

from deid.batch import folder
from deid.batch.photo_tree import is_excluded
from deid.commands import main as cli
from deid.images.photo import read_photo

JXL = b"\xff\x0a nothing that is read here"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A photo, one without a suffix, one with an odd one, kinds that are not read, hidden ones, a link, and others."""
    photos = tmp_path / "in"
    save_photo(photos / "a.png", 1)
    for number, name in enumerate(("IMG_5", "b.jpg_large"), 2):
        save_photo(photos / "c.png", number)
        (photos / "c.png").rename(photos / name)
    (photos / "d.jxl").write_bytes(JXL)
    (photos / "sub").mkdir()
    (photos / "sub" / "e.DNG").write_bytes(b"II*\0 a camera's")
    (photos / "sub" / "f").write_bytes(JXL)
    save_photo(photos / ".hidden" / "deep" / "x.png", 1)
    save_photo(photos / ".g.png", 1)
    save_photo(tmp_path / "elsewhere" / "h.png", 1)
    (photos / "linked").symlink_to("../elsewhere")
    (photos / "notes.txt").write_text("BMW, no picture")
    (photos / "._a.png").write_bytes(b"\0\x05\x16\x07 of another system")
    (photos / ".git").mkdir()
    (photos / ".git" / "config").write_text("no picture")
    if os.name == "posix":
        os.mkfifo(photos / "pipe")
    return photos


LEFT_OUT = {
    "d.jxl": "JPEG XL is not read",
    "sub/e.DNG": "camera raw is not read",
    "sub/f": "JPEG XL is not read",
    ".hidden": "a hidden folder with pictures",
    ".g.png": "hidden",
    "linked": "a linked folder",
}


def test_every_picture_is_done_or_named(mixed: Path, attack: FakeWork) -> None:
    result = run_photos(mixed)
    assert result.counts == {"protected": 3}
    assert {str(Path(left.path).relative_to(mixed)): left.reason for left in result.left_out} == LEFT_OUT
    assert {left.path for left in result.left_out if left.is_folder} == {str(mixed / ".hidden"), str(mixed / "linked")}
    assert set(tree(mixed.parent / "out")) == {"a.png", "IMG_5", "b.jpg_large"}
    assert run_photos(mixed).counts == {"skipped": 3}


def test_what_is_left_out_is_named_and_exits_with_5_unless_it_is_excluded(
    mixed: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folder, "load_protector", FakeProtector)
    arguments = ["folder", str(mixed), str(mixed.parent / "out"), "-k", "5", "--profile", "paper"]
    assert cli.run([*arguments, "--json"]) == 5
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert {left["path"]: left["reason"] for left in document["left_out"]} == {
        str(mixed / name): reason for name, reason in LEFT_OUT.items()
    }
    assert "pictures were left out" in err.splitlines()[-1]
    assert cli.run(arguments) == 5
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "left out" in line]
    assert line.startswith("4 pictures and 2 folders left out: ")
    assert f"{mixed}/d.jxl and {mixed}/sub/f (JPEG XL is not read)" in line
    assert all(name in line for name in LEFT_OUT)
    excluded = [part for glob in ("sub", ".*", "*.jxl") for part in ("--exclude", glob)]
    assert cli.run([*arguments, *excluded]) == 5
    assert f"1 folder left out: {mixed}/linked (a linked folder)" in capsys.readouterr().out
    assert cli.run([*arguments, *excluded, "--exclude", "linked"]) == 0
    out, err = capsys.readouterr()
    assert "left out" not in out + err
    assert "photos: 3 (3 done before)" in out.splitlines()


def test_an_excluded_photo_is_skipped_and_said_to_be(
    tmp_path: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folder, "load_protector", FakeProtector)
    for name in ("a.png", "sub/b.png", "sub/c.png"):
        save_photo(tmp_path / "in" / name, 1)
    arguments = ["folder", str(tmp_path / "in"), str(tmp_path / "out"), "-k", "5", "--profile", "paper"]
    assert cli.run([*arguments, "--exclude", "sub/*"]) == 0
    assert "photos: 3 (1 protected, 2 excluded)" in capsys.readouterr().out.splitlines()
    assert attack.calls == {"a.png": 1}
    assert cli.run([*arguments[:2], str(tmp_path / "none"), "--exclude", "*.png"]) == 3


@pytest.mark.parametrize(
    ("glob", "named"),
    [("*.png", {"a.png", "sub/b.png", "sub/deep/c.png"}), ("sub", {"sub/b.png", "sub/deep/c.png"}),
     ("sub/deep", {"sub/deep/c.png"}), ("deep", {"sub/deep/c.png"}), ("a", set()), ("./a.png", set())],
)  # fmt: skip
def test_a_glob_names_files_and_folders_by_name_or_path(glob: str, named: set[str]) -> None:
    names = ("a.png", "sub/b.png", "sub/deep/c.png")
    assert {name for name in names if is_excluded(Path(name), [glob])} == named


def test_a_run_clears_what_a_killed_one_had_half_written_and_nothing_else(photos: Path, attack: FakeWork) -> None:
    out = photos.parent / "out"
    (out / "album0").mkdir(parents=True)
    part = out / "album0" / f".deid-{'0f' * 8}.part"
    others = [out / "mine.part", out / ".deid-mine.part", photos / part.name]
    for file in (part, *others):
        file.write_bytes(b"half")
    run_photos(photos)
    assert not part.exists()
    assert all(file.exists() for file in others)


def test_photos_without_a_face_are_copied_where_that_is_asked(tmp_path: Path, attack: FakeWork) -> None:
    photos, out = tmp_path / "in", tmp_path / "out"
    save_photo(photos / "face.png", 1)
    photos.joinpath("trees").mkdir()
    exif = Image.Exif()
    exif[0x010E] = "the place and the name"  # ImageDescription
    Image.new("RGB", (8, 8), (0, 90, 20)).save(photos / "trees" / "oak.png", exif=exif)
    run_photos(photos)
    assert set(tree(out)) == {"face.png"}
    for _ in range(2):
        result = run_photos(photos, copy_faceless=True)
        assert result.counts == {"skipped": 1, "no-face": 1}
        (copied,) = [photo for photo in result.photos if photo.outcome == "no-face"]
        assert copied.output == str(out / "trees" / "oak.png")
        assert (read_photo(out / "trees" / "oak.png").pixels == read_photo(photos / "trees" / "oak.png").pixels).all()
        assert b"the place" not in (out / "trees" / "oak.png").read_bytes()
    assert attack.calls["oak.png"] == 2  # without the copy, and for it
    shutil.rmtree(out / "trees")
    again = run_photos(photos)
    assert [photo.output for photo in again.photos if photo.outcome == "no-face"] == [None]
    run_photos(photos, copy_faceless=True)
    assert (out / "trees" / "oak.png").is_file()
