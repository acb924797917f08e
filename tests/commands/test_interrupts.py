"""Ctrl-C: what is said, and that a second one ends the process at once."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import FakeProtector, FakeWork, save_photo

from deid.batch import folder
from deid.commands import main as cli

# Its cleaning up would take a minute; each Ctrl-C that it sees is told.
PROGRAM = """
import signal, sys, time
from deid.commands.interrupts import end_at_the_second
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run in the background, where it is ignored
end_at_the_second()
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("first", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_second_one_ends_the_process_at_once_and_without_a_word() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    for said in ("ready\n", "first\n"):
        assert process.stdout.readline() == said
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


def stop_at(attack: FakeWork, calls: int) -> Callable[[Path, Path], None]:
    def meanwhile(source: Path, target: Path) -> None:
        if attack.calls.total() == calls:
            raise KeyboardInterrupt

    return meanwhile


@pytest.mark.parametrize(("before", "told"), [(0, "2 of 4 done"), (3, "3 of 4 done")])
def test_an_interrupted_folder_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], before: int, told: str
) -> None:
    attack = FakeWork()
    monkeypatch.setattr(folder, "work", attack)
    monkeypatch.setattr(folder, "load_protector", FakeProtector)
    for number in range(before or 4):
        save_photo(tmp_path / "in" / f"p{number}.png", 1)
    arguments = ["folder", str(tmp_path / "in"), str(tmp_path / "out"), "-k", "5", "--profile", "paper"]
    if before:
        assert cli.run(arguments) == 0
        save_photo(tmp_path / "in" / "a.png", 1)  # the first of all four
    attack.meanwhile = stop_at(attack, 4 if before else 3)
    capsys.readouterr()
    assert cli.run(arguments) == 130
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-2:] == [f"{told}, run again to go on", "deid: interrupted"]
    attack.meanwhile = None
    assert cli.run(arguments) == 0
    done = 3 if before else 2
    assert f"photos: 4 ({4 - done} protected, {done} done before)" in capsys.readouterr().out
