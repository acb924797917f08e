"""Formats that photos are saved in, and the suffixes of their files."""

from pathlib import Path

from deid.errors import UnsupportedFormat

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "HEIF": (".heic", ".heif", ".hif", ".heics", ".heifs"),
    "AVIF": (".avif", ".avifs"),
    "BMP": (".bmp",),
}
# Read only: what a photo of such a format is written as.
_WRITTEN_AS = {"GIF": "PNG", "JPEG2000": "PNG", "MPO": "JPEG"}
_READ_SUFFIXES = {
    "GIF": (".gif",),
    "JPEG2000": (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
    "MPO": (".mpo",),
}
PROTECTED = "-protected"  # ends the name of an output that lies beside its photo
_FORMAT_OF_SUFFIX = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}
_FORMAT_READ = {suffix: name for name, suffixes in _READ_SUFFIXES.items() for suffix in suffixes}


def output_format(source_format: str, path: Path | None = None) -> str:
    """Format to write a photo in: by the suffix of `path` if it has one, else as it was read.

    What is only read becomes PNG (GIF, JPEG 2000) or JPEG (MPO).

    source_format: as `Photo.format` names it. Raises UnsupportedFormat for a suffix that is not known.
    """
    suffix = path.suffix.lower() if path is not None else ""
    if suffix in _FORMAT_OF_SUFFIX:
        return _FORMAT_OF_SUFFIX[suffix]
    if suffix:
        known = " ".join(_FORMAT_OF_SUFFIX)
        raise UnsupportedFormat(f"pictures cannot be saved as {suffix}; known suffixes: {known}")
    return source_format if source_format in _SUFFIXES else _WRITTEN_AS.get(source_format, "PNG")


def picture_suffixes() -> frozenset[str]:
    """Suffixes, in lower case with their dot, of files that are taken for photos."""
    return frozenset(_FORMAT_OF_SUFFIX) | _FORMAT_READ.keys()


def writable_suffixes() -> frozenset[str]:
    """Suffixes, in lower case with their dot, of files that photos are written to."""
    return frozenset(_FORMAT_OF_SUFFIX)


def output_suffix(path: Path, source_format: str | None = None) -> str:
    """Suffix of the file that a photo is written to: its own where such files are written, else by what it is.

    source_format: of a photo whose suffix tells nothing, as `Photo.format` names it; None: not known, its own suffix.
    """
    suffix = path.suffix.lower()
    if suffix in _FORMAT_OF_SUFFIX:
        return path.suffix
    read_as = _FORMAT_READ.get(suffix, source_format)
    return path.suffix if read_as is None else suffix_for(output_format(read_as))


def suffix_for(file_format: str) -> str:
    """Usual suffix of files in an output format, with its dot. Raises UnsupportedFormat."""
    if file_format not in _SUFFIXES:
        raise UnsupportedFormat(f"pictures cannot be saved as {file_format}; known formats: {' '.join(_SUFFIXES)}")
    return _SUFFIXES[file_format][0]
