"""What reaches the terminal."""

import os
import sys
from pathlib import Path

import pytest
from fakes import FakeProtector, FakeWork, save_photo
from hypothesis import given
from hypothesis import strategies as st

from deid.batch import folder
from deid.commands import main as cli
from deid.commands import output

EVIL = "p\x1b]0;owned\x07\x1b[2J\x9b1m\u202eгпj"


@given(st.text())
def test_no_line_steers_the_terminal_and_harmless_ones_stay(line: str) -> None:
    shown = output.plain(line)
    assert all(letter == "\t" or (ord(letter) >= 32 and not 127 <= ord(letter) < 160) for letter in shown)
    assert output.plain(shown) == shown
    if line.isprintable():
        assert shown == line


def test_it_is_still_told_what_the_name_is() -> None:
    assert output.plain(EVIL) == r"p\x1b]0;owned\x07\x1b[2J\x9b1m\u202eгпj"
    assert output.plain("a\nprotected: b") == r"a\nprotected: b"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [["photo", "{photo}"], ["faces", "{photo}"], ["folder", "{folder}", "{folder}-out"], ["folder", "{folder}", "out"],
     ["folder", "{photo}", "out"], ["audit", "{photo}", "{photo}"], ["weights", "import", "{photo}"],
     ["photo", "{photo}", "{photo}"], ["photo", "--{photo}"], ["{photo}"]],
)  # fmt: skip
def test_names_reach_no_terminal_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
    terminal: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(folder, "load_protector", FakeProtector)
    monkeypatch.setattr(folder, "work", FakeWork())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "dumb")  # what is left is not the bar's
    monkeypatch.chdir(tmp_path)
    photo = tmp_path / EVIL / f"{EVIL}.png"
    save_photo(photo, 0)
    photo.write_text("no picture")
    (photo.parent / f"{EVIL}.jxl").touch()
    code = cli.run([part.format(photo=photo, folder=photo.parent) for part in arguments])
    assert code in (1, 2, 5)
    told = "".join(capsys.readouterr())
    assert "owned" in told
    assert not {"\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e"} & {
        bad for bad in ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e") if bad in told
    }


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_called_one_wherever_it_is_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.run(["--version"]) == 2
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # what is still buffered
    assert capsys.readouterr().err == "deid: the disk is full (No space left on device)\n"
