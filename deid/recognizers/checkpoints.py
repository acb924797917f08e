"""Weights: manifest → verified file → strict load. Never anything but tensors (`weights_only`, safetensors)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch

from deid.errors import CheckpointError
from deid.recognizers import RECOGNIZERS
from deid.recognizers.decoys import draw_decoys
from deid.recognizers.recognizer import Recognizer
from deid.storage.hashes import file_sha256
from deid.weights import shipped_folder, shipped_manifest


@dataclass(frozen=True)
class Entry:
    """One recognizer's weights as the manifest describes them.

    name: what they are called.
    architecture: a key of RECOGNIZERS.
    path: where their file should be.
    sha256: what that file should hash to.
    details: the rest of the manifest's lines (training data, teachers, thresholds, the decoys' file, …).
    """

    name: str
    architecture: str
    path: Path
    sha256: str
    details: Mapping[str, Any]

    @property
    def decoys_path(self) -> Path | None:
        """Of the Gaussian that decoys are drawn from; None where none was fitted (an imported checkpoint)."""
        return shipped_folder() / self.details["decoys_file"] if "decoys_file" in self.details else None

    @property
    def teachers(self) -> tuple[str, ...]:
        """Whom it was distilled from, by name."""
        names = self.details.get("teacher")
        return tuple(names.split(", ")) if names else ()


def imported_folder() -> Path:
    """Where `deid weights import` keeps what the user brought."""
    return Path(platformdirs.user_data_dir("face-deid")) / "weights"


def manifest() -> dict[str, Entry]:
    """All known weights by name; the user's imports come after the shipped ones.

    Raises CheckpointError where a package that keeps weights is not installed.
    """
    shipped = shipped_manifest()["recognizers"]
    entries = {name: entry_of(name, details, shipped_folder()) for name, details in shipped.items()}
    listing = imported_folder() / "imported.json"
    if listing.is_file():
        for name, details in json.loads(listing.read_text()).items():
            entries[name] = entry_of(name, details, imported_folder())
    return entries


def entry_of(name: str, details: Mapping[str, Any], folder: Path) -> Entry:
    """What a listing in `folder` says of the weights called `name`. Raises CheckpointError as `manifest` does."""
    installed = RECOGNIZERS[details["architecture"]].installed_file
    try:
        path = installed() if installed else folder / details["file"]
    except FileNotFoundError as error:
        raise CheckpointError(str(error)) from None
    return Entry(name, details["architecture"], path, details["sha256"], details)


def verify(entry: Entry) -> None:
    """Raises CheckpointError unless every file of the entry is there and is the one the manifest names."""
    files = [(entry.path, entry.sha256)]
    if entry.decoys_path is not None:
        files.append((entry.decoys_path, entry.details["decoys_sha256"]))
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
    network = architecture.load(entry.path).eval().requires_grad_(False)
    return Recognizer(
        name=name,
        network=network.to(torch.device(device), memory_format=torch.channels_last),  # type: ignore[call-overload]
        template=architecture.template,
        sha256=entry.sha256,
        thresholds=entry.details.get("thresholds", {}),
        decoys=shipped_decoys(entry).to(device),
        bfloat16=architecture.bfloat16,
    )


def shipped_decoys(entry: Entry, seed: int | None = None) -> torch.Tensor:
    """The synthetic identities of an entry: unit vectors (1000, D), or (0, 0) where no Gaussian was fitted.

    seed: the manifest's by default, which is the shipped, fixed draw.
    """
    if entry.decoys_path is None:
        return torch.zeros(0, 0)
    return draw_decoys(entry.decoys_path, entry.details["decoys_seed"] if seed is None else seed)
