"""`deid weights import`: a checkpoint that the user brings, recognized by its keys and kept in the user's folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from deid.errors import CannotWrite, CheckpointError
from deid.recognizers import RECOGNIZERS
from deid.recognizers.checkpoints import Entry, entry_of, imported_folder, manifest
from deid.recognizers.training_data import stated
from deid.storage.atomic import write_atomically
from deid.storage.hashes import file_sha256


def import_checkpoint(
    file: Path,
    name: str | None = None,
    *,
    trained_on: str | None = None,
    teacher: str | None = None,
    source: str | None = None,
) -> Entry:
    """Recognize a network by its keys and keep its weights in the user's folder.

    file: PyTorch's (read with weights_only) or safetensors; `module.` prefixes, a `state_dict` wrapper and the
        classifier are taken off.
    name: what the weights are called from now on; the file's by default.
    trained_on: the training data, as `training_data.stated` takes it.
    teacher: the known recognizer it was distilled from (an audit asks what is related to what).
    source: where the file is from; its own name by default.

    Raises CheckpointError with one clear line.
    """
    name = file.stem if name is None else name
    check_new_name(name)
    if teacher is not None and teacher not in (entries := manifest()):
        raise CheckpointError(f"no teacher called {teacher}: there are {', '.join(entries)}")
    origin = source or str(file)
    state = _read_state(file, origin)
    architecture = _architecture_of(state)
    if architecture is None:
        raise CheckpointError(f"{origin}: not a network this program knows ({', '.join(_importable())})")
    kept = {key: value for key, value in state.items() if key not in RECOGNIZERS[architecture].classifier}
    details = {"architecture": architecture, "source": source or file.name, "source_sha256": file_sha256(file)}
    if trained_on:
        details["training_data"] = stated(trained_on)
    if teacher is not None:
        details |= taught_by([teacher])
    try:
        return _keep(name, kept, details)
    except (CannotWrite, OSError) as error:
        raise CheckpointError(f"{name}: cannot be written into {imported_folder()}: {error}") from None


def taught_by(teachers: Sequence[str]) -> dict[str, str]:
    """What an entry says of its teachers, given by name: who they are and what they were trained on."""
    entries = manifest()
    data = (entries[name].details.get("training_data") for name in teachers)
    details = {"teacher": ", ".join(teachers), "teacher_trained_on": "; ".join(dict.fromkeys(filter(None, data)))}
    return {key: value for key, value in details.items() if value}


def _keep(name: str, state: Mapping[str, Tensor], details: dict[str, str]) -> Entry:
    """Write weights into the user's folder and add them to its list."""
    folder = imported_folder()
    data = save({key: value.contiguous() for key, value in state.items()})
    details = details | {"file": f"{name}.safetensors", "sha256": hashlib.sha256(data).hexdigest()}
    write_atomically(data, folder / details["file"], overwrite=True)
    listing = folder / "imported.json"
    entries = json.loads(listing.read_text()) if listing.is_file() else {}
    write_atomically(json.dumps(entries | {name: details}, indent=2).encode(), listing, overwrite=True)
    return entry_of(name, details, folder)


def check_new_name(name: str) -> None:
    """Raises CheckpointError unless new weights can have this name: it becomes a file's and is free."""
    if not name or Path(name).name != name or name.startswith("."):
        raise CheckpointError(f"weights cannot be called {name!r}: choose a --name that can be a file's")
    if name in manifest():
        raise CheckpointError(f"weights called {name} exist already: choose another --name")


def _importable() -> list[str]:
    """Networks whose weights no installed package keeps."""
    return [name for name, architecture in RECOGNIZERS.items() if architecture.installed_file is None]


def _architecture_of(state: Mapping[str, Tensor]) -> str | None:
    """The network whose parameters, by name and shape, are exactly these, but for a classifier on top."""
    for name in _importable():
        architecture = RECOGNIZERS[name]
        with torch.device("meta"):  # names and shapes only: nothing is allocated or initialized
            expected = architecture.build().state_dict()
        kept = {key: value for key, value in state.items() if key not in architecture.classifier}
        if kept.keys() == expected.keys() and all(_same_kind(kept[key], expected[key]) for key in kept):
            return name
    return None


def _same_kind(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.is_floating_point() == b.is_floating_point()


def _read_state(file: Path, origin: str) -> dict[str, Tensor]:
    """The parameters in a checkpoint, by name. Raises CheckpointError."""
    try:
        if file.suffix == ".safetensors":
            state: Any = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{origin} does not exist") from None
    except Exception as error:
        # torch.load and safetensors raise whatever their readers raise on a foreign or unsafe file.
        raise CheckpointError(f"{origin}: not a checkpoint of plain tensors ({type(error).__name__})") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{origin}: not a state dict")
    return {key.removeprefix("module."): value for key, value in state.items()}
