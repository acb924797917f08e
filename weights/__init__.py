"""The weights that ship, as files of the package, and the manifest that names them."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any


def shipped_folder() -> Path:
    return Path(str(resources.files(__name__)))


def shipped_manifest() -> dict[str, Any]:
    """`recognizers` and `detectors`, by name."""
    with (shipped_folder() / "manifest.toml").open("rb") as file:
        return tomllib.load(file)
