"""Face de-identification with proof: photos that people still read and face recognizers cannot."""

import os
from typing import TYPE_CHECKING, Any

# Before anything loads torch, whose threads read it once: threads that spin while they wait for each other make the
# program ten times slower wherever another one uses a core (219 s instead of 22 for a photo).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from deid.audit.run import audit
    from deid.batch.folder import protect_folder
    from deid.protection.pipeline import protect
    from deid.types import Options

__all__ = ["Options", "audit", "protect", "protect_folder"]

_HOMES = {
    "Options": "deid.types",
    "protect": "deid.protection.pipeline",
    "protect_folder": "deid.batch.folder",
}


def __getattr__(name: str) -> Any:
    """Imported on first use, so that `import deid` and `deid --help` do not load torch."""
    from importlib import import_module

    if name == "audit":
        return import_module("deid.audit")  # a package that can be called
    if name not in _HOMES:
        raise AttributeError(f"module 'deid' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
