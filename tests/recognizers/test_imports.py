import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from deid.commands import main as cli
from deid.errors import CheckpointError
from deid.recognizers import RECOGNIZERS
from deid.recognizers.checkpoints import imported_folder, load_recognizer, manifest
from deid.recognizers.imports import _architecture_of, import_checkpoint


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return {name: RECOGNIZERS[name].build().state_dict() for name in ("lightcnn9", "lightcnn29v2")}


@pytest.mark.parametrize("name", ["lightcnn9", "lightcnn29v2"])
def test_a_released_checkpoint_is_known_by_its_keys(name: str, states: dict, tmp_path: Path) -> None:
    """As the authors save them: wrapped, with `module.` prefixes and a classifier."""
    released = {f"module.{key}": value for key, value in states[name].items()}
    released["module.fc2.weight"] = torch.zeros(80013, 256)
    if name == "lightcnn9":
        released["module.fc2.bias"] = torch.zeros(80013)
    file = tmp_path / "released.pth"
    torch.save({"epoch": 80, "state_dict": released}, file)
    entry = import_checkpoint(file)
    assert entry.architecture == name
    assert manifest()["released"] == entry
    recognizer = load_recognizer("released")
    first = "conv1.filter.bias" if name == "lightcnn29v2" else "features.0.filter.bias"
    assert torch.equal(recognizer.network.state_dict()[first], states[name][first])
    assert len(recognizer.decoys) == 0
    with pytest.raises(CheckpointError, match="exist already"):
        import_checkpoint(file)


def test_safetensors_are_taken_and_a_later_change_is_noticed(states: dict, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    save_file(states["lightcnn9"], file)
    entry = import_checkpoint(file, "my-network")
    assert imported_folder() in entry.path.parents
    data = bytearray(entry.path.read_bytes())
    data[-1] ^= 1
    entry.path.write_bytes(data)
    with pytest.raises(CheckpointError, match="not the file"):
        load_recognizer("my-network")
    assert json.loads((imported_folder() / "imported.json").read_text())["my-network"]["architecture"] == "lightcnn9"


def test_other_shapes_and_half_a_network_are_refused(states: dict, tmp_path: Path) -> None:
    wrong = dict(states["lightcnn9"])
    wrong["fc1.filter.weight"] = torch.zeros(512, 100)
    half = dict(list(states["lightcnn9"].items())[:-1])
    more = {**states["lightcnn9"], "extra": torch.zeros(1)}
    for i, state in enumerate((wrong, half, more)):
        torch.save(state, tmp_path / f"{i}.pth")
        with pytest.raises(CheckpointError, match="not a network this program knows"):
            import_checkpoint(tmp_path / f"{i}.pth")


def test_training_data_and_teacher_are_kept_for_the_audit(states: dict, tmp_path: Path) -> None:
    file = tmp_path / "student.pth"
    torch.save(states["lightcnn9"], file)
    with pytest.raises(CheckpointError, match="no teacher called dlib"):
        import_checkpoint(file, teacher="dlib")
    assert cli.run(["weights", "import", str(file), "--trained-on", "other: my album", "--teacher", "dlib-resnet"]) == 0
    details = manifest()["student"].details
    assert (details["training_data"], details["teacher"]) == ("my album", "dlib-resnet")
    assert details["teacher_trained_on"] == manifest()["dlib-resnet"].details["training_data"]
    assert details["source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "teacher" not in import_checkpoint(file, "another").details
    assert manifest()["lightcnn9"].teachers == ("mobilenet-vggface2", "dlib-resnet")
    assert all(entry.details["training_data"] for name, entry in manifest().items() if name != "another")


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "a/b", ".hidden", "lightcnn9"])
def test_a_name_that_is_taken_or_no_file_name_is_refused(name: str, states: dict, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(states["lightcnn9"], file)
    with pytest.raises(CheckpointError, match="--name"):
        import_checkpoint(file, name)
    assert not imported_folder().exists()


def test_a_failed_import_leaves_nothing(states: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    file = tmp_path / "mine.pth"
    torch.save(states["lightcnn9"], file)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CheckpointError, match="disk full"):
        import_checkpoint(file)
    assert not list(imported_folder().iterdir())


def test_every_network_is_told_apart_by_its_keys() -> None:
    for name in ("lightcnn9", "lightcnn29", "lightcnn29v2", "mobilefacenet", "facenet"):
        assert _architecture_of(RECOGNIZERS[name].build().state_dict()) == name
    assert _architecture_of(RECOGNIZERS["dlib-resnet"].build().state_dict()) is None


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("echo harmed",)


def test_a_pickle_with_code_in_it_is_never_run(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    file = tmp_path / "evil.pth"
    torch.save({"state_dict": Evil()}, file)
    with pytest.raises(CheckpointError, match="plain tensors"):
        import_checkpoint(file)
    assert "harmed" not in capfd.readouterr().out


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 no zip"])
def test_what_is_no_checkpoint_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.pth"
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        import_checkpoint(file)
    assert "\n" not in str(caught.value)
    with pytest.raises(CheckpointError, match="does not exist"):
        import_checkpoint(tmp_path / "missing.pth")
