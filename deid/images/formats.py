"""Formats that photos are saved in, and the suffixes of their files."""

from pathlib import Path

from deid.errors import UnsupportedFormat

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "HEIF": (".heic", ".heif", ".hif"),
    "BMP": (".bmp",),
}
PROTECTED = "-protected"  # ends the name of an output that lies beside its photo
_FORMAT_OF_SUFFIX = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes}


def output_format(source_format: str, path: Path | None = None) -> str:
    """Format to write a photo in: by the suffix of `path` if it has one, else as it was read (GIF as PNG).

    source_format: as `Photo.format` names it. Raises UnsupportedFormat for a suffix that is not known.
    """
    suffix = path.suffix.lower() if path is not None else ""
    if suffix in _FORMAT_OF_SUFFIX:
        return _FORMAT_OF_SUFFIX[suffix]
    if suffix:
        known = " ".join(_FORMAT_OF_SUFFIX)
        raise UnsupportedFormat(f"pictures cannot be saved as {suffix}; known suffixes: {known}")
    return source_format if source_format in _SUFFIXES else "PNG"


def picture_suffixes() -> frozenset[str]:
    """Suffixes, in lower case with their dot, of files that are taken for photos."""
    return frozenset(_FORMAT_OF_SUFFIX) | {".gif"}


def suffix_for(file_format: str) -> str:
    """Usual suffix of files in an output format, with its dot. Raises UnsupportedFormat."""
    if file_format not in _SUFFIXES:
        raise UnsupportedFormat(f"pictures cannot be saved as {file_format}; known formats: {' '.join(_SUFFIXES)}")
    return _SUFFIXES[file_format][0]
