"""Photos of `reproduce adaptation`, protected one after another, each on disk as soon as it is done."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deid.errors import UsageError
from deid.experiments.kept import profile_key
from deid.faces.detect import detect_again
from deid.images.formats import output_suffix
from deid.images.photo import decode_photo, read_photo
from deid.protection.pipeline import process_photo
from deid.protection.protector import Protector
from deid.storage.atomic import write_atomically
from deid.training.data import central_face, cut

Log = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class ProtectedFace:
    """The central face of a photo, cut out of the protected photo and, at the same place, of the clean one.

    name: the person. verified: whether the photo passed its checks.
    protected, clean: uint8 (192, 192, 3) RGB; landmarks: (5, 2) in both, as found in the protected photo.
    """

    name: str
    verified: bool
    protected: np.ndarray
    clean: np.ndarray
    landmarks: np.ndarray


def protected_faces(photos: Sequence[Path], folder: Path, protector: Protector, log: Log) -> list[ProtectedFace]:
    """Of each photo with a face; protected now, unless that lies in `folder` already.

    Raises UsageError where what lies there was protected with other settings or weights.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_settings(folder / "settings.json", protector)
    faces, fresh = [], 0
    for number, photo in enumerate(photos, 1):
        if not _record_of(photo, folder).is_file():
            _protect(photo, 2 + number % protector.options.k_level, folder, protector)
            fresh += 1
        if (face := _read(photo, folder)) is not None:
            faces.append(face)
        if fresh and fresh % 20 == 0:
            log(f"{protector.options.profile}: {number} of {len(photos)} photos protected")
    return faces


def _record_of(photo: Path, folder: Path) -> Path:
    return folder / photo.parent.name / f"{photo.stem}.json"


def _protect(photo: Path, k: int, folder: Path, protector: Protector) -> None:
    """Write the protected photo, then its record, whose presence says that both are whole."""
    target = _record_of(photo, folder).with_name(f"{photo.stem}{output_suffix(photo)}")
    processed = process_photo(photo, target, protector, lambda found: [k] * len(found))
    record: dict[str, Any] = {"outcome": processed.result.outcome, "seconds": round(processed.result.seconds, 2)}
    if processed.data is not None:
        face = central_face([found.face for found in processed.found], read_photo(photo).pixels.shape[:2])
        if face is None:
            raise RuntimeError(f"{photo} was protected without a face")
        again = detect_again(decode_photo(processed.data).pixels, [face], device=protector.device)[0] or face
        record |= {"file": target.name, "landmarks": again.landmarks.tolist()}
        write_atomically(processed.data, target, overwrite=True, mode=0o600)
    write_atomically(json.dumps(record).encode(), _record_of(photo, folder), overwrite=True, mode=0o600)


def _read(photo: Path, folder: Path) -> ProtectedFace | None:
    """None where no face was found."""
    record = json.loads(_record_of(photo, folder).read_text())
    if "file" not in record:
        return None
    landmarks = np.array(record["landmarks"])
    protected, points = cut(rgb_of(_record_of(photo, folder).with_name(record["file"])), landmarks)
    clean, _ = cut(rgb_of(photo), landmarks)
    return ProtectedFace(photo.parent.name, record["outcome"] == "protected", protected, clean, points)


def rgb_of(photo: Path) -> np.ndarray:
    """A photo's pixels (H, W, 3), also of a gray one."""
    pixels = read_photo(photo).pixels
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def _check_settings(file: Path, protector: Protector) -> None:
    weights = {surrogate.recognizer.name: surrogate.recognizer.sha256 for surrogate in protector.surrogates}
    settings = json.dumps([profile_key(protector.options.profile), weights])
    if not file.is_file():
        write_atomically(settings.encode(), file, mode=0o600)
    elif file.read_text() != settings:
        raise UsageError(f"{file.parent}: these photos were protected with other settings: choose another folder")
