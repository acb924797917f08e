"""What a process loads before it can work, and in which order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

# Networks, faces and an embedding, as `deid photo` and `deid folder` want them.
SEARCH = """
import sys
from pathlib import Path
from deid.commands import main
assert main.run(["faces", sys.argv[1]]) == 0
from deid.batch import folder
from deid.images.photo import read_photo
from deid.protection import pipeline
from deid.protection.protector import load_protector
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.recognizer import embed_faces
from deid.types import Options
photo = read_photo(Path(sys.argv[1]))
(found,) = load_protector(Options()).find(photo).faces
embed_faces(load_recognizer("facenet-casia"), photo.pixels, [found.face.landmarks])
print(*(name for name in ("torchvision", "torch._dynamo", "facenet_pytorch", "matplotlib") if name in sys.modules))
"""


def python(program: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a fresh interpreter, whose threads nobody told how to wait."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | variables
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True)


def test_a_face_is_found_and_recognized_without_what_takes_seconds_to_import(tmp_path: Path) -> None:
    photo = tmp_path / "astronaut.png"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    assert python(SEARCH, photo).stdout.splitlines()[-1] == ""


# Says how threads are told to wait when torch is looked for, and ends.
WATCH = """
import os, sys
class Watch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), file=sys.__stdout__)
            raise SystemExit
sys.meta_path.insert(0, Watch)
"""


@pytest.mark.parametrize(
    "entry",
    ["import deid.commands.main as command; command.run(['photo', 'photo.jpg'])", "import app.__main__; import torch"],
)
@pytest.mark.parametrize("own", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_threads_sleep_while_they_wait_unless_somebody_else_says_so(entry: str, own: dict[str, str]) -> None:
    assert python(WATCH + entry, **own).stdout == own.get("OMP_WAIT_POLICY", "PASSIVE") + "\n"


@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's OpenMP")
def test_torch_s_threads_do_not_spin() -> None:
    told = python("import deid, torch", OMP_DISPLAY_ENV="verbose").stderr
    assert "GOMP_SPINCOUNT = '0'" in told
