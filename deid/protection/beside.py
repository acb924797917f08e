"""What the protected version of a photo is called where nobody says: NAME-protected.SUFFIX, beside it."""

import os
from contextlib import suppress
from pathlib import Path

from deid.images.formats import PROTECTED, output_format, picture_suffixes, suffix_for
from deid.images.kinds import kind_of

_LONGEST = 255  # bytes of a name, where the system does not tell


def beside(source: Path, suffix: str) -> Path:
    """The default output. A name that would be too long for the folder is cut before «-protected».

    suffix: of the output, as the photo's own suggests; one that is no picture's gives way to that of the content.
    """
    stem = source.stem
    if suffix.lower() not in picture_suffixes():
        stem, suffix = source.name, _suffix_by_content(source)
    end, longest = f"{PROTECTED}{suffix}", _longest_name(source.parent)
    while stem and len(os.fsencode(stem + end)) > longest:
        stem = stem[:-1]
    return source.parent / (stem + end)


def _suffix_by_content(source: Path) -> str:
    """Empty for what is no picture: reading it will say so."""
    with suppress(OSError, ValueError):
        if source.is_file() and (kind := kind_of(source)) is not None and kind.format:
            return suffix_for(output_format(kind.format))
    return ""


def _longest_name(folder: Path) -> int:
    """In bytes."""
    with suppress(OSError, ValueError, AttributeError):  # AttributeError: not on Windows
        return os.pathconf(folder, "PC_NAME_MAX")
    return _LONGEST
