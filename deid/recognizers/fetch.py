"""`deid weights fetch`: released weights from where their authors keep them.

Nothing else in this program goes to the internet, and this only when the user asks for a file by name.
"""

import http.client
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from deid.errors import CheckpointError, UsageError
from deid.recognizers.checkpoints import Entry
from deid.recognizers.imports import check_new_name, import_checkpoint

MAX_BYTES = 256 << 20
TIMEOUT = 30.0  # seconds of silence
BLOCK = 1 << 20


@dataclass(frozen=True)
class Download:
    """Where a checkpoint is, and what an audit has to know of it. training_data: as `training_data.stated` takes it."""

    url: str
    training_data: str


# No hash is published with the release: the file is trusted for its address, read as plain tensors only, and loaded
# strictly; the hash of what came is recorded with the import.
DOWNLOADS: dict[str, Download] = {
    "facenet-vggface2": Download(
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        "vggface2",
    ),
}

Progress = Callable[[int, int | None], None]
"""Called after each block: bytes so far, bytes in all where the server says so."""


def fetch(name: str, progress: Progress = lambda done, total: None) -> Entry:
    """Download the named checkpoint and import it under that name.

    Raises UsageError for an unknown name, CheckpointError with one clear line for everything else that goes wrong;
    what was downloaded until then is removed.
    """
    if name not in DOWNLOADS:
        raise UsageError(f"nothing called {name} can be fetched: there is {', '.join(DOWNLOADS)}")
    check_new_name(name)
    download = DOWNLOADS[name]
    with tempfile.TemporaryDirectory(prefix="deid-fetch-") as folder:
        file = Path(folder) / PurePosixPath(urlsplit(download.url).path).name
        _download(download.url, file, progress)
        return import_checkpoint(file, name, trained_on=download.training_data, source=download.url)


def _download(url: str, file: Path, progress: Progress) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response, file.open("wb") as out:
            if urlsplit(response.url).scheme != urlsplit(url).scheme:
                raise CheckpointError(f"{url} leads to {response.url}, which is not trusted")
            _copy(response, out, url, progress)
    except urllib.error.HTTPError as error:
        raise CheckpointError(f"{url}: the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise CheckpointError(f"{url} cannot be downloaded: {reason or type(error).__name__}") from None


def _copy(response: http.client.HTTPResponse, out: BinaryIO, url: str, progress: Progress) -> None:
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    done = 0
    # One block past the limit at most: a server may say any length, or none.
    while done <= MAX_BYTES and (block := response.read(BLOCK)):
        out.write(block)
        done += len(block)
        progress(done, total)
    if done > MAX_BYTES:
        raise CheckpointError(f"{url} is larger than {MAX_BYTES >> 20} MiB, more than any known checkpoint")
    if total is not None and done != total:
        raise CheckpointError(f"{url}: the download broke off after {done} of {total} bytes")
