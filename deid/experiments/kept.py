"""What was measured, kept in the user's cache so that an interrupted table goes on where it was."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
from safetensors.numpy import load_file, save

from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import shipped_folder
from deid.storage.atomic import write_atomically

Line = TypeVar("Line")

# Modules of `deid` that decide the figures, beside whole rooms.
DECISIVE = (
    "handling", "hiding", "likeness", "looks", "obfuscation", "precision", "rounds", "scores", "surrogates",
)  # fmt: skip


def measured(
    table: str,
    settings: list[Any],
    items: Iterable[tuple[str, Callable[[], Line | None]]],
    read: Callable[..., Line],
    note: Callable[[str], None],
) -> Iterator[Line]:
    """A line, a dataclass that `read` makes of its fields, for every item that can be measured; known ones are read.

    settings: the method, and what else the lines depend on beside the code. items: a name and what measures it; None is
    left out.
    """
    file = _file(table, settings, "jsonl")
    known = {}
    if file.is_file():
        known = {key: read(**fields) for key, fields in map(json.loads, file.read_text().splitlines())}
    with file.open("a") as lines:
        for at, (key, measure) in enumerate(items, 1):
            line = known.get(key)
            if line is None:
                line = measure()
                if line is None:
                    note(f"{key}: no face found, left out")
                    continue
                lines.write(json.dumps([key, asdict(line)]) + "\n")  # type: ignore[call-overload]
                lines.flush()
            if at % 20 == 0:
                note(f"{table}, {settings[0]}: {at} photos")
            yield line


def kept_arrays(table: str, settings: list[Any], make: Callable[[], dict[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    """What `make` makes, made once; settings: what it depends on beside the code."""
    file = _file(table, settings, "safetensors")
    if not file.is_file():
        write_atomically(save(make()), file, overwrite=True)
    return load_file(file)


def _file(table: str, settings: list[Any], ending: str) -> Path:
    name = hashlib.sha256(json.dumps([*settings, _code_sha256()]).encode()).hexdigest()[:16]
    file = Path(platformdirs.user_cache_dir("face-deid")) / "reproduce" / f"{table}-{name}.{ending}"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def profile_key(name: str) -> list[Any]:
    """A profile's settings: what was measured with others is not counted."""
    settings = asdict(PROFILES[name])
    return [name, settings | {"checks": list(settings["checks"])}]


def _code_sha256() -> str:
    """Of the code that decides the figures, and the manifest: what an older version measured is not counted."""
    package = Path(__file__).parents[1]
    manifest = shipped_folder() / "manifest.toml"
    single = [package / f"{name}.py" for name in DECISIVE]
    rooms = [file for room in ("attacks", "faces", "losses") for file in sorted((package / room).glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in [*single, *rooms, manifest])).hexdigest()
