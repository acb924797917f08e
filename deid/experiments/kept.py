"""What was measured, kept in the user's cache so that an interrupted table goes on where it was.

What is kept holds as long as nothing that it comes from has changed: any room of the program but those of OTHER_ROOMS,
the experiment's own modules, the manifest of the weights, and the libraries that compute. A module called table or
NAME_table only draws the table of an experiment, so it does not count.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
from safetensors.numpy import load_file, save

from deid.protection.profiles import PROFILES
from deid.storage.atomic import write_atomically
from deid.weights import shipped_folder

Line = TypeVar("Line")

PACKAGE = Path(__file__).parents[1]
# Rooms that no experiment calls. A new room counts until it is named here.
OTHER_ROOMS = ("app", "audit", "batch", "commands", "defenses", "storage")
# The rooms of an experiment that calls only few, or one of those.
OF_CLASSIFIERS = ("anonymity", "attacks", "defenses", "losses")
OF_FACES = ("faces", "images", "recognizers", "training")
ROOMS = {
    "tables": ("anonymity", "attacks", "losses"),
    "m_svdd": OF_CLASSIFIERS,
    "rejection": OF_CLASSIFIERS,
    "reduction": OF_CLASSIFIERS,
    "training": OF_CLASSIFIERS,
    "similarity": (*OF_CLASSIFIERS, *OF_FACES),
    "adaptation": (*OF_CLASSIFIERS, *OF_FACES, "protection"),
}
# What sums up and draws in the harness's folder.
DRAWING = ("document.py", "plots.py", "summary.py")
LIBRARIES = ("torch", "numpy", "pillow", "opencv-python-headless", "facenet-pytorch", "pytorch-msssim")


def kept_lines(
    experiment: str,
    settings: list[Any],
    items: Iterable[tuple[str, Callable[[], Line | None]]],
    read: Callable[..., Line],
    note: Callable[[str], None],
) -> Iterator[Line]:
    """A line, a dataclass that `read` makes of its fields, for every item that can be measured; kept ones are read.

    settings: the method, and what else the lines depend on beside the code. items: a name and what measures it; None is
    left out.
    """
    file = _file(experiment, settings, "jsonl")
    kept = {}
    if file.is_file():
        kept = {key: read(**fields) for key, fields in map(json.loads, file.read_text().splitlines())}
    with file.open("a") as lines:
        for number, (key, measure) in enumerate(items, 1):
            line = kept.get(key)
            if line is None:
                line = measure()
                if line is None:
                    note(f"{key}: no face found, left out")
                    continue
                lines.write(json.dumps([key, asdict(line)]) + "\n")  # type: ignore[call-overload]
                lines.flush()
            if number % 20 == 0:
                note(f"{experiment}, {settings[0]}: {number} photos")
            yield line


def kept_arrays(
    experiment: str, settings: list[Any], make: Callable[[], dict[str, np.ndarray]]
) -> Mapping[str, np.ndarray]:
    """What `make` makes, made once; settings: what it depends on beside the code."""
    file = _file(experiment, settings, "safetensors")
    if not file.is_file():
        # `save` takes the bytes as they lie, whatever the strides.
        in_order = {name: np.asarray(array, order="C") for name, array in make().items()}
        write_atomically(save(in_order), file, overwrite=True)
    return load_file(file)


def profile_key(name: str) -> list[Any]:
    """A profile's settings: what was measured with others is not counted."""
    settings = asdict(PROFILES[name])
    return [name, settings | {"handlings": list(settings["handlings"])}]


def _file(experiment: str, settings: list[Any], ending: str) -> Path:
    name = hashlib.sha256(json.dumps([*settings, _origin_sha256(experiment)]).encode()).hexdigest()[:16]
    file = Path(platformdirs.user_cache_dir("face-deid")) / "reproduce" / f"{experiment}-{name}.{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def _origin_sha256(experiment: str) -> str:
    """Of all that a kept result comes from beside its settings."""
    files = [*_deciding_modules(experiment), shipped_folder() / "manifest.toml"]
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    return hashlib.sha256(b"".join([*(file.read_bytes() for file in files), *map(str.encode, libraries)])).hexdigest()


def _deciding_modules(experiment: str) -> list[Path]:
    """The files of the program that decide an experiment's figures, in a fixed order."""
    here = PACKAGE / "experiments"
    own = {here / "kept.py", *here.glob(f"{experiment}*.py"), *here.glob(f"{experiment}/*.py")}
    if experiment in ROOMS:
        own |= set(here.glob("tables/*.py"))
    own -= {*here.glob("*_table.py"), here / experiment / "table.py", *(here / "tables" / name for name in DRAWING)}

    def decides(file: Path) -> bool:
        room = file.relative_to(PACKAGE).parts[0]
        if room == "experiments":
            return file in own
        return room in ROOMS[experiment] if experiment in ROOMS else room not in OTHER_ROOMS

    return sorted(file for file in PACKAGE.rglob("*.py") if decides(file))
