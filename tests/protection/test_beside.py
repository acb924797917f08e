"""The default name of an output."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deid.commands import main as cli
from deid.protection.beside import beside


@pytest.mark.parametrize(
    ("name", "suffix", "output"),
    [("a.b.png", ".png", "a.b-protected.png"), ("a.GIF", ".png", "a-protected.png"),
     ("a.JPG", ".JPG", "a-protected.JPG"), ("a", "", "a-protected.jpg"),
     ("a.jpg_large", ".jpg_large", "a.jpg_large-protected.jpg")],
)  # fmt: skip
def test_the_name_says_what_it_is(tmp_path: Path, name: str, suffix: str, output: str) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / name, "JPEG")
    assert beside(tmp_path / name, suffix) == tmp_path / output


def test_what_is_no_picture_or_not_there_has_a_name_too(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no picture")
    assert beside(tmp_path / "notes", "").name == "notes-protected"
    assert beside(tmp_path / "missing.odd", ".odd").name == "missing.odd-protected"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=260))
def test_no_name_is_too_long_and_a_short_one_stays(stem: str) -> None:
    output = beside(Path(f"{stem}.png"), ".png").name
    assert output.endswith("-protected.png")
    assert len(os.fsencode(output)) <= 255
    whole = f"{Path(f'{stem}.png').stem}-protected.png"
    assert output == whole or len(os.fsencode(whole)) > 255


def test_a_name_of_255_bytes_is_no_internal_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ("x" * 251 + ".png")).write_text("no picture")
    assert cli.run(["photo", str(tmp_path / ("x" * 251 + ".png"))]) == 5
    assert "not a picture" in capsys.readouterr().err
    assert cli.run(["photo", str(tmp_path / ("x" * 300 + ".png"))]) == 5
    assert "File name too long" in capsys.readouterr().err
