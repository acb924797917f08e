"""The command as a user calls it, with real files and the real networks: mostly in a process of its own.

Where only its answer to a mistake is asked, the command runs in this process: a new one takes seconds to begin.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from deid.commands import main

# Any use of a socket is an error, and one that a library swallows shows on stderr. Only urllib3 may ask, while it
# is imported, whether this computer knows IPv6: it binds a local socket and sends nothing.
OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    if sys._getframe(1).f_code.co_name != "_has_ipv6":
        print("THE NETWORK WAS ASKED", file=sys.stderr)
    raise OSError("no network in this test")
class Refused(socket.socket):
    __init__ = refuse
socket.socket = Refused
socket.create_connection = socket.getaddrinfo = refuse
"""


def deid(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "80"}
    command = [sys.executable, "-m", "deid.commands.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture
def deid_here(capsys: pytest.CaptureFixture[str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `deid`, in this process."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [*map(str, arguments)]
        code = main.run(command)
        return subprocess.CompletedProcess(command, code, *capsys.readouterr())

    return run


def error_line(run: subprocess.CompletedProcess[str]) -> str:
    """The one line of error; nothing on stderr but it and the progress."""
    lines = run.stderr.splitlines()
    assert "Traceback" not in run.stderr
    assert [line for line in lines if not line.startswith("protecting ")] == lines[-1:]
    assert lines[-1].startswith("deid: ")
    return lines[-1]


@pytest.fixture
def face(tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(path)
    return path


@pytest.mark.parametrize(
    "command",
    [
        "",
        "photo",
        "folder",
        "faces",
        "demo",
        "weights",
        "weights import",
        "train",
        "reproduce photos",
        "reproduce mnist",
    ],
)
def test_help_fits_a_screen(command: str) -> None:
    run = deid(*command.split(), "--help")
    lines = run.stdout.splitlines()
    assert run.returncode == 0
    assert lines[0].startswith("Usage: deid")
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 80


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom deid.commands import main\nmain.run(['photo', '--help'])\n"
        "print([name for name in ('torch', 'numpy', 'PIL', 'torchvision') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_version() -> None:
    run = deid("--version")
    assert run.returncode == 0
    assert run.stdout.startswith("deid 0.")


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty"])
def test_what_cannot_be_read(tmp_path: Path, kind: str, deid_here) -> None:
    path = tmp_path / "photo.jpg"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text("this is not a picture\n" if kind == "text" else "")
    run = (deid if kind == "text" else deid_here)("photo", path, "-o", tmp_path / "out.jpg", "--json")
    assert run.returncode == 5
    assert "photo.jpg: " in error_line(run)
    document = json.loads(run.stdout)
    assert document["outcome"] == "unreadable"
    assert document["output"] is None
    assert not (tmp_path / "out.jpg").exists()


def test_an_output_that_exists_stays(face: Path, deid_here) -> None:
    output = face.with_name("out.png")
    output.write_bytes(b"precious")
    run = deid_here("photo", face, "-o", output)
    assert run.returncode == 2
    assert "out.png" in error_line(run)
    assert run.stdout == ""
    assert output.read_bytes() == b"precious"


def test_the_input_is_never_the_output(face: Path, deid_here) -> None:
    before = face.read_bytes()
    run = deid_here("photo", face, "-o", face, "--overwrite")
    assert run.returncode == 2
    error_line(run)
    assert face.read_bytes() == before


@pytest.mark.parametrize(
    "arguments", [["-k", "0"], ["-k", "5000"], ["--method", "magic"], ["--profile", "magic"], ["--faces", "left"]]
)
def test_options_that_make_no_sense(face: Path, arguments: list[str], deid_here) -> None:
    run = deid_here("photo", face, "-o", face.with_name("out.png"), *arguments)
    assert run.returncode == 2
    error_line(run)
    assert run.stdout == ""
    assert not face.with_name("out.png").exists()


def test_a_photo_without_a_face(tmp_path: Path, deid_here) -> None:
    path = tmp_path / "coffee.png"
    Image.fromarray(skimage.data.coffee()).save(path)
    run = deid_here("photo", path, "-o", tmp_path / "out.png", "--json")
    assert run.returncode == 3
    assert "coffee.png: " in error_line(run)
    document = json.loads(run.stdout)
    assert (document["outcome"], document["faces"], document["output"]) == ("no-face", [], None)
    assert not (tmp_path / "out.png").exists()


def test_the_block_blocks() -> None:
    program = f"{OFFLINE}\nimport urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "THE NETWORK WAS ASKED" in run.stderr


@pytest.fixture(scope="module")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The main job, once, with every socket blocked: a photo with EXIF in, a protected PNG out."""
    folder = tmp_path_factory.mktemp("main-job")
    photo, output = folder / "astronaut.png", folder / "out.png"
    exif = Image.Exif()
    exif[0x010E] = "the place and the name"  # ImageDescription
    Image.fromarray(skimage.data.astronaut()[:300, 50:400]).save(photo, exif=exif)
    before = hashlib.sha256(photo.read_bytes()).hexdigest()
    program = f"{OFFLINE}\nfrom deid.commands.main import main\nmain()"
    arguments = ["photo", str(photo), "-o", str(output), "-k", "1", "--json", "--verbose"]
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    return {"run": run, "photo": photo, "output": output, "hash": before}


def test_the_main_job_protects_every_face(main_job: dict[str, Any]) -> None:
    run = main_job["run"]
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert document["outcome"] == "protected"
    assert Path(document["output"]) == main_job["output"]
    assert document["faces"]
    for face in document["faces"]:
        assert face["outcome"] == "protected"
        assert face["rank_before"] == 1
        assert 2 <= face["k"] <= document["k_level"] + 1
        assert face["rank_after"] >= face["k"]
        assert face["matches_at_far_1e-2"] is False
        assert not any(asked["rank_after"] == 1 for asked in face["recognizers"] if asked["class"] == "surrogate")
        assert face["similarity_after"] < face["similarity_before"]
        assert face["ssim"] > 0.9
        assert face["gradient_evaluations"] > 0
    assert (document["profile"], document["method"]) == ("stranger", "feature-level")
    assert len(document["weights"]) == 4


def test_the_main_job_needs_no_network(main_job: dict[str, Any]) -> None:
    assert main_job["run"].returncode == 0, main_job["run"].stderr
    assert "THE NETWORK WAS ASKED" not in main_job["run"].stderr


def test_the_main_job_leaves_its_input_alone(main_job: dict[str, Any]) -> None:
    assert hashlib.sha256(main_job["photo"].read_bytes()).hexdigest() == main_job["hash"]
    assert sorted(path.name for path in main_job["photo"].parent.iterdir()) == ["astronaut.png", "out.png"]


def test_the_main_job_drops_metadata(main_job: dict[str, Any]) -> None:
    with Image.open(main_job["photo"]) as before, Image.open(main_job["output"]) as after:
        assert before.getexif()
        assert not after.getexif()
        assert "exif" not in after.info
    assert b"the place and the name" not in main_job["output"].read_bytes()


def test_the_main_job_touches_nothing_but_faces(main_job: dict[str, Any]) -> None:
    with Image.open(main_job["photo"]) as before, Image.open(main_job["output"]) as after:
        assert after.format == "PNG"
        assert after.mode == "RGB"
        changed = (np.asarray(before) != np.asarray(after)).any(axis=2)
    allowed = np.zeros_like(changed)
    for face in json.loads(main_job["run"].stdout)["faces"]:
        x0, y0, x1, y1 = face["box"]
        grow_x, grow_y = 0.6 * (x1 - x0), 0.6 * (y1 - y0)
        rows = slice(max(0, int(y0 - grow_y)), int(y1 + grow_y) + 1)
        allowed[rows, max(0, int(x0 - grow_x)) : int(x1 + grow_x) + 1] = True
    assert changed[allowed].any()
    assert not changed[~allowed].any()
    assert not allowed.all()


def test_a_folder_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    photos = tmp_path / "photos"
    (photos / "deep").mkdir(parents=True)
    Image.fromarray(skimage.data.astronaut()[:240, 90:350]).save(photos / "deep/astronaut.png")
    (photos / "broken.jpg").write_text("this is not a picture\n")
    outcomes = []
    for _ in range(2):
        run = deid("folder", photos, tmp_path / "out", "--profile", "paper", "--json")
        assert run.returncode == 5
        assert "[1/2] " in run.stderr
        assert "[2/2] " in run.stderr
        assert run.stderr.splitlines()[-1].startswith("deid: ")
        outcomes.append({Path(photo["input"]).name: photo["outcome"] for photo in json.loads(run.stdout)["photos"]})
    assert outcomes[0] == {"astronaut.png": "protected", "broken.jpg": "unreadable"}
    assert outcomes[1] == {"astronaut.png": "skipped", "broken.jpg": "unreadable"}
    written = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written == [Path("deep/astronaut.png")]
