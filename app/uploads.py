"""Many photos or zips from a browser, unpacked into one folder: within limits, and never outside it."""

import errno
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deid.errors import reason_of

from .sessions import Refused
from .zip_entries import count_entries

MAX_FILES = 2_000
MAX_BYTES = 8 << 30  # of one upload, and of all that it unpacks to
MAX_FILE_BYTES = 300 << 20  # of one photo
KEPT_FREE = 1 << 30  # bytes of the disk that are for others
CHUNK = 1 << 20
MAX_ENTRIES = 10_000  # of all zips: folders, and files that are no photos, are some of them
TOO_MANY = "At most {:,} photos at once."
NO_ROOM = "The disk of the computer that runs this page has no room for what is in the zip."
# What the standard library's readers of zips raise for bytes that no program wrote, each in its own way.
DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, RuntimeError, EOFError, OSError,
    ValueError, LookupError, OverflowError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True)
class Unpacked:
    """folder: the photos; left_out: the name and the reason of everything else."""

    folder: Path
    count: int
    left_out: tuple[tuple[str, str], ...]


def unpack(uploads: Sequence[Path], folder: Path) -> Unpacked:
    """Photos and the photos of zips, each zip's tree kept. Uploads are deleted. Raises Refused beyond the limits."""
    try:
        return _unpack(uploads, folder)
    except Refused:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _unpack(uploads: Sequence[Path], folder: Path) -> Unpacked:
    zips = [upload for upload in uploads if _is_zip(upload)]
    _count(uploads, zips)
    quota = _Quota(MAX_BYTES)
    left_out: list[tuple[str, str]] = []
    count = 0
    for upload in uploads:
        alone = iter([(upload.name, upload, too_large(upload))])
        for name, source, problem in _members(upload, quota) if upload in zips else alone:
            if problem := problem or _store(name, source, folder):
                left_out.append((name, problem))
                continue
            count += 1
            if count > MAX_FILES:
                raise Refused(TOO_MANY.format(MAX_FILES))
        upload.unlink(missing_ok=True)
    return Unpacked(folder, count, tuple(left_out))


def _count(uploads: Sequence[Path], zips: Sequence[Path]) -> None:
    """Raises Refused if there are more files than are taken, before any is unpacked, or a zip is damaged."""
    from deid.images.formats import picture_suffixes

    entries, photos = sum(map(count_entries, zips)), len(uploads) - len(zips)
    if entries > MAX_ENTRIES:
        raise Refused(f"The zip holds too many files: at most {MAX_ENTRIES:,} are looked through.")
    for upload in zips:
        with _readable(upload) as archive:
            names = [PurePosixPath(entry.filename) for entry in archive.infolist() if _is_asked_for(entry)]
        photos += sum(name.suffix.lower() in picture_suffixes() for name in names)
    if photos > MAX_FILES:
        raise Refused(TOO_MANY.format(MAX_FILES))


def too_large(photo: Path) -> str:
    """Why it is no photo that can be taken; empty if it can."""
    return f"larger than {size_text(MAX_FILE_BYTES)}" if photo.stat().st_size > MAX_FILE_BYTES else ""


class _Coming:
    """Bytes that uploads under way have announced and not yet brought: they share the disk, in one thread."""

    def __init__(self) -> None:
        self.bytes = 0

    @contextmanager
    def announced(self, size: int) -> Iterator[Callable[[int], None]]:
        """Room for so many bytes, until the end; takes how many of them have arrived."""
        left = size

        def arrived(n: int) -> None:
            nonlocal left
            left -= n
            self.bytes -= n

        self.bytes += size
        try:
            yield arrived
        finally:
            self.bytes -= left


COMING = _Coming()


def room_on_disk(folder: Path) -> int:
    """Bytes that may still be stored where this folder lies, less what uploads under way will need."""
    return shutil.disk_usage(folder).free - KEPT_FREE - COMING.bytes


def size_text(size: int) -> str:
    """Bytes as people call them."""
    return f"{size >> 30} GB" if size >= 1 << 30 else f"{size >> 20} MB"


@dataclass
class _Quota:
    """left: bytes that may still be unpacked."""

    left: int

    def take(self, size: int, folder: Path) -> None:
        """Raises Refused if there is no room for so many bytes."""
        self.left -= size
        if self.left < 0:
            raise Refused(f"The zip unpacks to more than {size_text(MAX_BYTES)}: split it.")
        if room_on_disk(folder) < size:
            raise Refused(NO_ROOM)


def _members(upload: Path, quota: _Quota) -> Iterator[tuple[str, Path, str]]:
    """Each file of a zip: its name, where it was unpacked to, and why not, else an empty text.

    What the zip says of sizes is not believed: bytes are counted as they come. Raises Refused.
    """
    part = upload.with_name("unpacking.part")
    try:
        with _readable(upload) as archive:
            for entry in archive.infolist():
                name = entry.filename.replace("\\", "/")  # as some Windows programs write it
                if problem := _problem(entry, name):
                    yield name, part, problem
                    continue
                if not _is_asked_for(entry):
                    continue
                size = 0
                with archive.open(entry) as packed, part.open("wb") as file:
                    while chunk := packed.read(CHUNK):
                        size += len(chunk)
                        if size > MAX_FILE_BYTES:
                            raise Refused(f"The zip holds a file that is larger than {size_text(MAX_FILE_BYTES)}.")
                        quota.take(len(chunk), part.parent)
                        file.write(chunk)
                yield name, part, ""
    finally:
        part.unlink(missing_ok=True)


def _is_zip(upload: Path) -> bool:
    """Also where its end, which makes it one, was cut off."""
    with upload.open("rb") as file:
        begins = file.read(4) == b"PK\x03\x04"
    return begins or zipfile.is_zipfile(upload)


@contextmanager
def _readable(upload: Path) -> Iterator[zipfile.ZipFile]:
    """Raises Refused for a zip that cannot be read, or whose content has no room."""
    try:
        with zipfile.ZipFile(upload) as archive:
            yield archive
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused(NO_ROOM) from error
        raise Refused(f"The zip is damaged: {reason_of(error)}") from error


def _is_asked_for(entry: zipfile.ZipInfo) -> bool:
    """Neither a folder nor what some systems hide in a zip."""
    name = entry.filename.replace("\\", "/")
    return not (entry.is_dir() or "__MACOSX" in name or PurePosixPath(name).name.startswith("."))


def _problem(entry: zipfile.ZipInfo, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.name or ".." in path.parts or ":" in name or "\0" in name:
        return "its name leads out of the zip"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link, not a file"
    return "encrypted" if entry.flag_bits & 1 else ""


def _store(name: str, source: Path, folder: Path) -> str:
    """Move a photo to its place; why not, else an empty text."""
    try:
        target = _target(name, source, folder)
        if target is None:
            return "not a photo"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
    except OSError as error:  # a name that is too long, or that is both a file's and a folder's
        return f"it cannot be stored: {error.strerror}"
    return ""


def _target(name: str, source: Path, folder: Path) -> Path | None:
    """Where a photo goes: its own name, numbered if taken; None for what is no photo at all.

    A name that says «photo» is believed, and the run tells if that was wrong; any other is looked at.
    """
    from deid.errors import ImageError
    from deid.images.formats import output_format, picture_suffixes, suffix_for
    from deid.images.photo import read_photo

    path = folder / PurePosixPath(name)
    if path.suffix.lower() not in picture_suffixes():
        try:
            path = path.with_name(path.name + suffix_for(output_format(read_photo(source).format)))
        except ImageError:
            return None
    stem, number = path.stem, 2
    while path.exists():
        path = path.with_name(f"{stem} ({number}){path.suffix}")
        number += 1
    return path
