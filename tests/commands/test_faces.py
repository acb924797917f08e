"""`deid faces` on real photos, with the real detectors: what it lists, what it draws, and what it leaves alone."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deid.commands import main
from deid.images.frames import GREEN, ORANGE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def faces(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command in this process, where no recognizer can be loaded: its exit code, stdout and stderr."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a recognizer was loaded")

    monkeypatch.setattr("deid.recognizers.load_file", refuse)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main.run(["faces", *map(str, arguments)])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def pair(tmp_path: Path, astronaut: np.ndarray) -> Path:
    """An upright face and, to the right of it, one upside down."""
    portrait = astronaut[:240, 90:350]
    path = tmp_path / "a pair.png"
    exif = Image.Exif()
    exif[0x010E] = "the place and the name"
    Image.fromarray(np.concatenate([portrait, portrait[::-1, ::-1]], axis=1)).save(path, exif=exif)
    return path


def box_of(line: str) -> list[int]:
    return [int(part) for part in line.split(": ")[1].split(", ")[0].split(",")]


def test_faces_are_listed_by_number_and_how_they_are_turned(faces: Run, pair: Path) -> None:
    code, out, err = faces(pair)
    first, second, *rest = out.splitlines()
    assert (code, err) == (0, "")
    assert first.startswith("face 1: ")
    assert first.count(", ") == 0  # upright, of which nothing is said
    assert second.startswith("face 2: ")
    assert second.endswith(", upside down")
    assert 80 < box_of(first)[0] < box_of(first)[2] < 190
    assert 330 < box_of(second)[0] < box_of(second)[2] < 440
    assert rest == [
        f"deid photo '{pair}': --faces 1 protects face 1 alone, --except 2 all but face 2",
        "what is not listed was not found: --box X0,Y0,X1,Y1 adds it",
    ]


@pytest.mark.parametrize(
    ("turn", "said", "degrees"),
    [(1, "lying, the top of the head to the left", 270), (3, "lying, the top of the head to the right", 90)],
)
def test_a_lying_face(faces: Run, tmp_path: Path, astronaut: np.ndarray, turn: int, said: str, degrees: int) -> None:
    path = tmp_path / "lying.png"
    Image.fromarray(np.rot90(astronaut[:240, 90:350], turn)).save(path)
    assert faces(path)[1].splitlines()[0].endswith(f", {said}")
    assert json.loads(faces(path, "--json")[1])["faces"][0]["turned_degrees"] == pytest.approx(degrees, abs=10)


def test_what_no_detector_is_sure_of_is_listed_as_possible(faces: Run, pair: Path) -> None:
    code, out, err = faces(pair, "--sure", "0.99")
    face, possible, hint, _ = out.splitlines()
    assert (code, err) == (0, "")
    assert face.startswith("face 1: ")
    assert possible.startswith("possible face ?1: ")
    assert 0.5 < float(possible.rpartition(", score ")[2]) < 0.99
    assert hint == (
        f"deid photo '{pair}' --sure 0.99: --faces 1 protects face 1 alone, --faces 'all,?1' a possible face, too"
    )


def test_json(faces: Run, pair: Path) -> None:
    code, out, _ = faces(pair, "--sure", "0.99", "--json")
    document: dict[str, Any] = json.loads(out)
    assert code == 0
    assert document["input"] == str(pair)
    assert document["picture"] is None
    (face,), (possible,) = document["faces"], document["possible"]
    assert set(document) == {"input", "faces", "possible", "picture"}
    assert set(face) == {"number", "box", "score", "turned_degrees"}
    assert set(possible) == {"number", "box", "score"}
    assert (face["number"], possible["number"]) == (1, "?1")
    assert face["score"] > 0.99 > possible["score"]
    assert min(face["turned_degrees"], 360 - face["turned_degrees"]) < 10
    assert len(face["box"]) == len(possible["box"]) == 4


def test_only_possible_faces_are_no_face(faces: Run, tmp_path: Path, astronaut: np.ndarray) -> None:
    path, picture = tmp_path / "lying.png", tmp_path / "drawn.png"
    Image.fromarray(np.rot90(astronaut[:240, 90:350])).save(path)
    code, out, err = faces(path, "--sure", "0.99", "-o", picture)
    assert code == 3
    assert out.splitlines()[0].startswith("possible face ?1: ")
    assert "--faces '?1' protects a possible face" in out
    assert err.splitlines()[-1] == f"deid: {path}: no face found but 1 possible face"
    assert picture.exists()


def test_where_nothing_is_found_nothing_is_drawn(faces: Run, tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    Image.new("RGB", (200, 200), "gray").save(path)
    assert faces(path, "-o", tmp_path / "drawn.png") == (3, "", f"deid: {path}: no face found\n")
    document = json.loads(faces(path, "--json")[1])
    assert document == {"input": str(path), "faces": [], "possible": [], "picture": None}
    assert [file.name for file in tmp_path.glob("*.png")] == ["flat.png"]


def test_the_picture_has_frames_around_faces_and_nothing_else_is_changed(faces: Run, pair: Path) -> None:
    picture, before = pair.with_name("drawn.png"), hashlib.sha256(pair.read_bytes()).hexdigest()
    code, out, err = faces(pair, "--sure", "0.99", "-o", picture)
    assert code == 0
    assert f"drawn: {picture}" in out.splitlines()
    assert err == f"{picture}: the picture shows the faces unprotected\n"
    assert hashlib.sha256(pair.read_bytes()).hexdigest() == before
    with Image.open(pair) as opened, Image.open(picture) as drawn:
        assert drawn.format == "PNG"
        assert "exif" not in drawn.info
        clean, pixels = np.asarray(opened), np.asarray(drawn)
    face, possible = (box_of(line) for line in out.splitlines()[:2])
    changed = (clean != pixels).any(axis=2)
    for (x0, y0, x1, y1), color in ((face, GREEN), (possible, ORANGE)):
        assert not changed[y0:y1, x0:x1].any()
        assert changed[y0 - 4 : y1 + 4, x0 - 4 : x1 + 4].any()
        rows, columns = np.nonzero((pixels == color).all(axis=2))
        assert rows.min() < y0 < y1 < rows.max()
        assert columns.min() < x0 < x1 < columns.max()
        changed[max(0, y0 - 40) : y1 + 40, x0 - 40 : x1 + 40] = False
    assert not changed.any()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".bmp", ".heic"])
def test_any_format_that_photos_are_saved_in(faces: Run, pair: Path, suffix: str) -> None:
    picture = pair.with_name("drawn" + suffix)
    assert faces(pair, "-o", picture)[0] == 0
    with Image.open(picture) as drawn:
        assert drawn.size == (520, 240)
    assert b"the place and the name" not in picture.read_bytes()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_every_kind_of_photo(faces: Run, pair: Path, mode: str) -> None:
    path, picture = pair.with_name("kind.png"), pair.with_name("drawn.png")
    kind = Image.open(pair).convert(mode)
    if mode == "RGBA":
        kind.putalpha(0)  # detectors look at colors: what nobody sees is framed where it is
    kind.save(path)
    assert faces(path, "-o", picture)[0] == 0
    with Image.open(picture) as drawn:
        assert drawn.mode == "RGB"
        assert (np.asarray(drawn) == GREEN).all(axis=2).sum() > 400


def test_a_picture_that_exists_stays_unless_asked(faces: Run, pair: Path) -> None:
    picture = pair.with_name("drawn.png")
    picture.write_bytes(b"precious")
    code, out, err = faces(pair, "-o", picture)
    assert (code, out) == (2, "")
    assert err == f"deid: {picture} exists already: --overwrite replaces it\n"
    assert picture.read_bytes() == b"precious"
    assert faces(pair, "-o", picture, "--overwrite")[0] == 0
    assert Image.open(picture).size == (520, 240)


@pytest.mark.parametrize("by", ["itself", "link"])
def test_the_photo_is_never_drawn_over(faces: Run, pair: Path, by: str) -> None:
    before, target = pair.read_bytes(), pair
    if by == "link":
        target = pair.with_name("link.png")
        target.symlink_to(pair)
    code, out, err = faces(pair, "-o", target, "--overwrite")
    assert (code, out) == (2, "")
    assert "never overwritten" in err
    assert pair.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sure", "0"], "sure must be above 0"),
        (["--sure", "1.5"], "sure must be above 0"),
        (["--sure", "nan"], "sure must be above 0"),
        (["--sure", "much"], "--sure"),
        (["-o", "drawn.txt"], "cannot be saved as .txt"),
        (["--faces", "1"], "--faces"),
    ],
)
def test_usage(faces: Run, pair: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str) -> None:
    monkeypatch.chdir(pair.parent)
    code, out, err = faces(pair, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("deid: ")
    assert err.count("\n") == 1
    assert says in err
    assert [file.name for file in pair.parent.iterdir() if file.is_file()] == [pair.name]


@pytest.mark.parametrize("kind", ["missing", "folder", "text"])
def test_what_cannot_be_read(faces: Run, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "photo.jpg"
    if kind == "folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("this is not a picture\n")
    code, out, err = faces(path, "--json", "-o", tmp_path / "drawn.png")
    assert (code, out) == (5, "")
    assert err.startswith(f"deid: {path}: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "drawn.png").exists()


def test_the_numbers_are_those_that_deid_photo_takes(pair: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a user calls it: the listed possible face is taken in, and the one left out stays bit by bit."""
    command = [sys.executable, "-m", "deid.commands.main", "faces", str(pair), "--sure", "0.99", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    (possible,) = json.loads(listed.stdout)["possible"]
    saved = pair.with_name("out.png")
    chosen = [
        "--sure",
        "0.99",
        "--faces",
        "all,?1",
        "--except",
        "1",
        "--method",
        "pixelate",
        "--profile",
        "paper",
        "--seed",
        "1",
    ]
    assert main.run(["photo", str(pair), "-o", str(saved), *chosen]) == 0
    first, second, *rest = capsys.readouterr().out.splitlines()
    assert first == "face 1: left as it was"
    assert second.startswith("face 2: no longer matched by ")
    assert "possible" not in "".join(rest)
    changed = (np.asarray(Image.open(pair)) != np.asarray(Image.open(saved))).any(axis=2)
    x0, y0, x1, y1 = (round(value) for value in possible["box"])
    assert changed[y0:y1, x0:x1].mean() > 0.5
    assert not changed[:, :260].any()


def test_a_photo_s_possible_faces_are_told_by_deid_photo(
    tmp_path: Path, astronaut: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lying.png"
    Image.fromarray(np.rot90(astronaut[:240, 90:350])).save(path)
    assert main.run(["photo", str(path), "--sure", "0.99"]) == 3
    out, err = capsys.readouterr()
    assert out == (
        f"1 possible face left as it is: look at it (deid faces {path} --sure 0.99 shows it, "
        "--faces 'all,?1' takes it in)\n"
    )
    assert err.splitlines()[-1] == f"deid: {path}: no face found but 1 possible face, so nothing was written"
    assert main.run(["photo", str(path), "--sure", "0.99", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert (document["outcome"], document["faces"], len(document["possible"])) == ("no-face", [], 1)


def test_a_box_and_a_possible_face_are_not_for_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("deid.batch.folder.load_protector", lambda options: pytest.fail("it is too late then"))
    for option in (["--box", "0,0,9,9"], ["--faces", "all,?1"]):
        assert main.run(["folder", str(tmp_path), f"{tmp_path}-out", *option]) == 2
        assert "are of one photo" in capsys.readouterr().err
