"""What the page protects with. Every recognizer is loaded once for the process, and kept."""

from functools import cache
from typing import TYPE_CHECKING

from deid.types import Options

if TYPE_CHECKING:  # they load torch
    from deid.protection.protector import Protector
    from deid.recognizers.recognizer import Recognizer


def protector_for(options: Options) -> "Protector":
    """Raises UsageError for options that make no sense, CheckpointError for missing weights."""
    from deid.protection.protector import load_protector

    return load_protector(options, load=kept_recognizer)


@cache
def kept_recognizer(name: str, device: str) -> "Recognizer":
    """Raises CheckpointError."""
    from deid.recognizers.checkpoints import load_recognizer

    return load_recognizer(name, device)
