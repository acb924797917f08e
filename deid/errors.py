"""Everything that is raised across modules and is no defect; each message is one line for the user."""

import errno


class UsageError(Exception):
    """What the user asked for makes no sense."""


class CheckpointError(Exception):
    """Weights are missing, changed or of no known network."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in work that goes on where it was when it is begun again; the message says how far it is."""


class Cancelled(Exception):  # noqa: N818
    """Raised by whoever watches a run: it ends where it is, and nothing is written."""


class ImageError(Exception):
    """A photo could not be read or written; the message is one line for the user."""


class UnreadableImage(ImageError):  # noqa: N818
    """The input is not a whole, still picture of a known format."""


class UnsupportedFormat(ImageError):  # noqa: N818
    """The output format is unknown, cannot be written here, or cannot hold this picture."""


class OutputExists(ImageError):  # noqa: N818
    """There is a file under the output's name already."""


class CannotWrite(ImageError):  # noqa: N818
    """The output could not be encoded or stored."""


def how_to_install(extra: str) -> str:
    """For a message about a missing package. By name nothing is asked of an index: another's package may bear ours."""
    return f"in this program's folder, run pip install --editable '.[{extra}]'"


# After these nothing more can be written to a place, whatever its name.
FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
CLOSED = (
    errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN,
)  # fmt: skip


def reason_of(error: Exception) -> str:
    """The error in one line, without the path that the operating system's messages repeat."""
    if isinstance(error, OSError) and error.errno in FULL:
        return f"{FULL[error.errno]} ({error.strerror})"
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        return f"{FULL[errno.ENOSPC]} ({error})"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
