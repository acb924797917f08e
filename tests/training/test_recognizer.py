import hashlib
import re
import shutil
import tomllib
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from deid.commands import main as cli
from deid.commands.train import Trainable
from deid.recognizers.checkpoints import RECOGNIZERS, manifest
from deid.recognizers.lightcnn import LightCNN9
from deid.training import recognizer
from deid.training.data import FaceSet
from deid.training.distill import Schedule, going_on
from deid.training.recognizer import publish
from deid.training.students import RECIPES

BY_DLIB = ("--teacher", "dlib-resnet")


def test_a_network_with_batch_normalization_is_published_whole(faces: FaceSet, tmp_path: Path) -> None:
    recipe = RECIPES["mobilefacenet-lfw"]
    details = {"architecture": recipe.architecture, "teacher": "nobody"}
    publish("mobilefacenet-lfw", recipe.build().eval(), recipe.template, faces, tmp_path, details)
    entry = tomllib.loads((tmp_path / "mobilefacenet-lfw.toml").read_text())["recognizers"]["mobilefacenet-lfw"]
    assert entry["teacher"] == "nobody"
    imported = RECOGNIZERS[entry["architecture"]].build()
    state = load_file(tmp_path / entry["file"])
    assert state["bn.running_var"].dtype == torch.float16
    imported.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})


def test_the_command_line_knows_what_can_be_trained() -> None:
    assert list(Trainable) == list(RECIPES)


@pytest.mark.shared_data
def test_the_command_trains_and_publishes_weights_that_load(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eleven people, two of them held out, one step: what is written is a whole entry of a manifest."""
    monkeypatch.setattr(recognizer, "Schedule", partial(Schedule, batch=8))
    monkeypatch.setattr(recognizer, "going_on", lambda steps: replace(going_on(steps), batch=8))
    for person in two_photos_each(shared_data / "lfw", 11):
        shutil.copytree(person, tmp_path / "people" / person.name)
    out = tmp_path / "out"
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "1", *BY_DLIB]) == 0
    untrained = first_loss(capsys)
    entry = tomllib.loads((out / "lightcnn9.toml").read_text())["recognizers"]["lightcnn9"]
    for file, sha256 in (("file", "sha256"), ("decoys_file", "decoys_sha256")):
        assert hashlib.sha256((out / entry[file]).read_bytes()).hexdigest() == entry[sha256]
    assert "2 people" in entry["figures"]
    network = LightCNN9()
    network.load_state_dict({key: value.float() for key, value in load_file(out / entry["file"]).items()})
    # Run again with more steps, it goes on from its state.
    state = torch.load(out / "lightcnn9.state", weights_only=True)
    assert state["step"] == 1
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "2", *BY_DLIB]) == 0
    assert torch.load(out / "lightcnn9.state", weights_only=True)["step"] == 2
    # Or from weights that are published, of the same architecture.
    from_published = ["train", "lightcnn9", str(tmp_path / "people"), str(tmp_path / "more"), "--steps", "1", *BY_DLIB]
    assert cli.run([*from_published, "--start", "dlib-resnet"]) == 2
    assert "dlib-resnet is no lightcnn9" in capsys.readouterr().err
    shutil.copytree(out / "faces", tmp_path / "more" / "faces")
    assert cli.run([*from_published, "--start", "lightcnn9"]) == 0
    assert first_loss(capsys) < untrained, "what the teacher wants of it is near where it is already"
    entry = tomllib.loads((tmp_path / "more" / "lightcnn9.toml").read_text())["recognizers"]["lightcnn9"]
    assert entry["teacher"] == ", ".join(dict.fromkeys(["dlib-resnet", *manifest()["lightcnn9"].teachers]))
    # With another teacher it does not.
    command = ["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "3", "--teacher", "lightcnn9"]
    assert cli.run(command) == 2
    assert "another teacher" in capsys.readouterr().err
    assert torch.load(out / "lightcnn9.state", weights_only=True)["step"] == 2


def first_loss(capsys: pytest.CaptureFixture[str]) -> float:
    return float(re.findall(r"loss ([\d.]+)", "".join(capsys.readouterr()))[-1])


def two_photos_each(lfw: Path, count: int) -> list[Path]:
    people = (path for path in sorted(lfw.iterdir()) if len(list(path.glob("*.jpg"))) == 2)
    return list(islice(people, count))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_here_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "lightcnn9", str(tmp_path), str(tmp_path / "out"), "--device", "cuda"]) == 2
    assert "there is none here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_too_few_people_to_train_on_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "people").mkdir()
    assert (
        cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(tmp_path / "out"), "--steps", "1", *BY_DLIB]) == 2
    )
    assert "too few to train on" in capsys.readouterr().err
    assert not (tmp_path / "out" / "faces").exists()


def test_a_teacher_that_is_not_here_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    command = ["train", "lightcnn9", str(tmp_path), str(tmp_path / "out"), "--teacher", "facenet-vggface2"]
    assert cli.run(command) == 1
    assert "deid weights fetch facenet-vggface2" in capsys.readouterr().err
