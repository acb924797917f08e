"""Weights: manifest → verified file → strict load. Never anything but tensors (`weights_only`, safetensors)."""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.align import Template
from deid.file_hash import file_sha256
from deid.precision import is_reduced, reduced, with_reduced_weights
from deid.recognizers import RECOGNIZERS
from deid.recognizers.dlib_resnet import load_dlib_resnet, weights_file

DECOYS = 1000


class CheckpointError(Exception):
    """Weights are missing, changed or of no known network; the message is one line for the user."""


@dataclass(frozen=True)
class Entry:
    """One recognizer's weights as the manifest describes them. `path` is where the file should be."""

    name: str
    architecture: str
    path: Path
    sha256: str
    details: Mapping[str, Any]

    @property
    def teachers(self) -> tuple[str, ...]:
        """Whom it was distilled from, by name."""
        said = self.details.get("teacher")
        return tuple(said.split(", ")) if said else ()


@dataclass(frozen=True)
class Recognizer:
    """A loaded recognizer: aligned faces (N, C, S, S) in [0, 1] as `template` says → unit embeddings (N, D).

    thresholds: cosine at a false-accept rate, keyed "1e-2" and "1e-3", on people outside training (may be empty).
    decoys: (1000, D) unit embeddings of synthetic identities. reduces: see `Architecture`.
    """

    name: str
    network: nn.Module
    template: Template
    sha256: str
    thresholds: Mapping[str, float]
    decoys: Tensor
    reduces: bool = False

    def embed(self, faces: Tensor) -> Tensor:
        return _embedded(self.network, faces)

    def embed_roughly(self, faces: Tensor) -> Tensor:
        """As `embed`, for an attack's gradients: where bfloat16 is faster, in that. No check may rest on it."""
        if self.attacked is self.network:
            return self.embed(faces)
        with reduced(self.device):
            return _embedded(self.attacked, faces)

    @cached_property
    def attacked(self) -> nn.Module:
        """The network that `embed_roughly` runs."""
        return with_reduced_weights(self.network) if self.reduces and is_reduced(self.device) else self.network

    @property
    def device(self) -> torch.device:
        return self.decoys.device

    @cached_property
    def spread(self) -> float:
        """How much strangers' similarities vary: the standard deviation over all pairs of decoys."""
        similarities = self.decoys @ self.decoys.T
        return float(similarities[similarities < 0.9999].std())


def _embedded(network: nn.Module, faces: Tensor) -> Tensor:
    # A CPU convolves a channels-last batch about twice as fast.
    return F.normalize(network(faces.contiguous(memory_format=torch.channels_last)).float())


def shipped_folder() -> Path:
    return Path(str(resources.files("deid.weights")))


def imported_folder() -> Path:
    """Where `deid weights import` keeps what the user brought."""
    return Path(platformdirs.user_data_dir("face-deid")) / "weights"


def manifest() -> dict[str, Entry]:
    """All known weights by name; the user's imports come after the shipped ones."""
    with (shipped_folder() / "manifest.toml").open("rb") as file:
        shipped = tomllib.load(file)["recognizers"]
    entries = {name: _entry(name, details, shipped_folder()) for name, details in shipped.items()}
    listing = imported_folder() / "imported.json"
    if listing.is_file():
        for name, details in json.loads(listing.read_text()).items():
            entries[name] = _entry(name, details, imported_folder())
    return entries


def _entry(name: str, details: Mapping[str, Any], folder: Path) -> Entry:
    if details["architecture"] == "dlib-resnet":
        try:
            path = weights_file()
        except FileNotFoundError as error:
            raise CheckpointError(str(error)) from None
    else:
        path = folder / details["file"]
    return Entry(name, details["architecture"], path, details["sha256"], details)


def verify(entry: Entry) -> None:
    """Raises CheckpointError unless every file of the entry is there and is the one the manifest names."""
    files = [(entry.path, entry.sha256)]
    if "decoys_file" in entry.details:
        files.append((shipped_folder() / entry.details["decoys_file"], entry.details["decoys_sha256"]))
    for path, sha256 in files:
        if not path.is_file():
            raise CheckpointError(f"{entry.name}: {path} is missing")
        if (found := file_sha256(path)) != sha256:
            raise CheckpointError(f"{entry.name}: {path} is not the file of the manifest (SHA-256 {found[:16]}…)")


def load_recognizer(name: str, device: str = "cpu") -> Recognizer:
    """The named recognizer in eval mode, verified. Raises CheckpointError with one clear line."""
    entries = manifest()
    if name not in entries:
        raise CheckpointError(f"no weights called {name}: there are {', '.join(entries)}")
    entry = entries[name]
    verify(entry)
    architecture = RECOGNIZERS[entry.architecture]
    if entry.architecture == "dlib-resnet":
        network: nn.Module = load_dlib_resnet(entry.path)
    else:
        network = architecture.build()
        # A file may hold float16; counters (of a batch normalization) are integers and stay so.
        state = load_file(entry.path)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    network.eval().requires_grad_(False).to(torch.device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Recognizer(
        name=name,
        network=network,
        template=architecture.template,
        sha256=entry.sha256,
        thresholds=entry.details.get("thresholds", {}),
        decoys=draw_decoys(entry).to(device),
        reduces=architecture.reduces,
    )


def draw_decoys(entry: Entry, seed: int | None = None, count: int = DECOYS) -> Tensor:
    """Synthetic identities, unit vectors (count, D), from the Gaussian fitted to training people's embeddings.

    seed: the manifest's by default, which is the shipped, fixed draw. An entry without a fitted Gaussian (an
    imported checkpoint) has no decoys, (0, 0).
    """
    if "decoys_file" not in entry.details:
        return torch.zeros(0, 0)
    fitted = load_file(shipped_folder() / entry.details["decoys_file"])
    generator = torch.Generator().manual_seed(entry.details["decoys_seed"] if seed is None else seed)
    noise = torch.randn(count, fitted["factor"].shape[1], generator=generator)
    return F.normalize(fitted["mean"].float() + noise @ fitted["factor"].float().T)


def import_checkpoint(
    file: Path,
    name: str | None = None,
    *,
    trained_on: str | None = None,
    teacher: str | None = None,
    source: str | None = None,
) -> Entry:
    """Recognize a network by its keys, load it strictly, and keep it in the user's folder.

    Takes PyTorch files (read with weights_only) and safetensors; `module.` prefixes, a `state_dict` wrapper and the
    classifier are taken off. trained_on: the training data in words; teacher: the known recognizer it was distilled
    from (an audit asks what is related to what). source: where the file is from, its name by default. Raises
    CheckpointError.
    """
    name = file.stem if name is None else name
    check_new_name(name)
    if teacher is not None and teacher not in (known := manifest()):
        raise CheckpointError(f"no teacher called {teacher}: there are {', '.join(known)}")
    shown = source or str(file)
    state = _read_state(file, shown)
    architecture = _architecture_of(state)
    if architecture is None:
        raise CheckpointError(f"{shown}: not a network this program knows ({', '.join(_importable())})")
    kept = {key: value for key, value in state.items() if key not in RECOGNIZERS[architecture].classifier}
    details = {"architecture": architecture, "source": source or file.name, "source_sha256": file_sha256(file)}
    if trained_on:
        details["training_data"] = trained_on
    if teacher is not None:
        details |= taught_by([teacher])
    try:
        return _keep(name, kept, details)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{name}: cannot be written into {imported_folder()}: {error}") from None


def taught_by(teachers: Sequence[str]) -> dict[str, str]:
    """What an entry says of its teachers, given by name: who they are and what they were trained on."""
    known = manifest()
    data = (known[name].details.get("training_data") for name in teachers)
    said = {"teacher": ", ".join(teachers), "teacher_trained_on": "; ".join(dict.fromkeys(filter(None, data)))}
    return {key: value for key, value in said.items() if value}


def _keep(name: str, state: Mapping[str, Tensor], details: dict[str, str]) -> Entry:
    """Write weights into the user's folder and add them to its list; half a file is never left."""
    folder = imported_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.safetensors"
    partial = folder / f"{name}.part"
    try:
        save_file({key: value.contiguous() for key, value in state.items()}, partial)
        details = details | {"file": target.name, "sha256": file_sha256(partial)}
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    listing = folder / "imported.json"
    entries = json.loads(listing.read_text()) if listing.is_file() else {}
    partial = listing.with_suffix(".part")
    partial.write_text(json.dumps(entries | {name: details}, indent=2))
    os.replace(partial, listing)  # noqa: PTH105
    return _entry(name, details, folder)


def check_new_name(name: str) -> None:
    """Raises CheckpointError unless new weights can have this name: it becomes a file's and is free."""
    if not name or Path(name).name != name or name.startswith("."):
        raise CheckpointError(f"weights cannot be called {name!r}: choose a --name that can be a file's")
    if name in manifest():
        raise CheckpointError(f"weights called {name} exist already: choose another --name")


def _importable() -> list[str]:
    # dlib's network comes from its own package, in its own format.
    return [name for name in RECOGNIZERS if name != "dlib-resnet"]


def _architecture_of(state: Mapping[str, Tensor]) -> str | None:
    """The network whose parameters, by name and shape, are exactly these, but for a classifier on top."""
    for name in _importable():
        recipe = RECOGNIZERS[name]
        with torch.device("meta"):  # names and shapes only: nothing is allocated or initialized
            expected = recipe.build().state_dict()
        kept = {key: value for key, value in state.items() if key not in recipe.classifier}
        if kept.keys() == expected.keys() and all(_alike(kept[key], expected[key]) for key in kept):
            return name
    return None


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.is_floating_point() == b.is_floating_point()


def _read_state(file: Path, shown: str) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            state: Any = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{shown} does not exist") from None
    except Exception as error:
        # torch.load and safetensors raise whatever their readers raise on a foreign or unsafe file.
        raise CheckpointError(f"{shown}: not a checkpoint of plain tensors ({type(error).__name__})") from None
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"{shown}: not a state dict")
    return {key.removeprefix("module."): value for key, value in state.items()}
