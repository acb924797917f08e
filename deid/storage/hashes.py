"""SHA-256 of files."""

import hashlib
import os
from pathlib import Path, PurePath


def file_sha256(path: Path) -> str:
    """In hexadecimal, read piece by piece. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pair_sha256(name: PurePath, path: Path) -> str:
    """Of a file's name, a zero byte and the file's bytes, in hexadecimal. Raises OSError.

    name: relative, the same wherever the folder is moved to. Of the bytes themselves and not of their hash: who has
    only published hashes must not be able to try names.
    """
    digest = hashlib.sha256(os.fsencode(name.as_posix()) + b"\0")
    with path.open("rb") as file:
        # Carries the name on: `file_digest` goes on with the digest that it is given.
        return hashlib.file_digest(file, lambda: digest).hexdigest()
