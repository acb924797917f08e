"""The faces that are looked at, clean and protected; what is protected is kept.

Their figures and their sheet are made anew every time, so a change of those keeps what is protected.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deid.errors import UsageError
from deid.experiments.kept import kept_arrays, profile_key
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.images.photo import decode_photo, read_photo
from deid.protection.pipeline import protect
from deid.protection.protector import Protector
from deid.training.data import central_face
from deid.types import Options

# Young and old, dark and fair skin, glasses, a beard, a cap of hair, turned heads, a dim photo and a blurred one.
NAMES = (
    "Emma_Watson", "Daniel_Radcliffe", "Rupert_Grint", "Queen_Elizabeth_II", "Nelson_Mandela", "Serena_Williams",
    "Kofi_Annan", "Whoopi_Goldberg", "Junichiro_Koizumi", "Salma_Hayek", "Naomi_Watts", "Elton_John", "Woody_Allen",
    "Fidel_Castro", "Mohamed_ElBaradei", "Andre_Agassi",
)  # fmt: skip
HEIGHTS = (60, 800)  # pixels: of the face's box, in the sample photos


@dataclass(frozen=True, eq=False)
class Subject:
    """A clean face that is looked at.

    name: for people to read.
    path: of its photo, of which `pixels` are uint8 (H, W, 3) or (H, W).
    number: of the face, from 1, as `Options.faces` counts.
    """

    name: str
    path: Path
    pixels: np.ndarray
    face: Face
    number: int


@dataclass(frozen=True, eq=False)
class Protected:
    """A subject as it was saved, without loss. ssim: of the aligned face; holds: whether it counts as protected."""

    pixels: np.ndarray
    ssim: float
    holds: bool


def subjects_of(people: Path, samples: Sequence[Path], folder: Path, device: str) -> list[Subject]:
    """The central face of each person's first photo, then the largest of each sample photo, at every height.

    people: a folder a person (LFW); folder: where resized photos go; device: cpu or cuda.
    Raises UsageError where a person's photo is missing or no face is found, and UnreadableImage.
    """
    photos = {name.replace("_", " "): people / name / f"{name}_0001.jpg" for name in NAMES}
    if missing := [str(path) for path in photos.values() if not path.is_file()]:
        raise UsageError(f"there is no {missing[0]}: the people are those of LFW")
    subjects = [_subject(name, path, device, central_face) for name, path in photos.items()]
    for sample in samples:
        for height in HEIGHTS:
            name = f"{sample.stem.replace('_', ' ')}, {height} pixels"
            subjects.append(_subject(name, _resized(sample, height, folder, device), device, _largest))
    return subjects


def _subject(
    name: str, path: Path, device: str, choose: Callable[[list[Face], tuple[int, int]], Face | None]
) -> Subject:
    pixels = read_photo(path).pixels
    faces = detect_faces(pixels, device=device)
    face = choose(faces, pixels.shape[:2])
    if face is None:
        raise UsageError(f"no face found in {path}")
    number = next(number for number, other in enumerate(faces, 1) if other is face)
    return Subject(name, path, pixels, face, number)


def _largest(faces: list[Face], size: tuple[int, int]) -> Face | None:
    return max(faces, key=lambda face: face.area, default=None)


def _resized(sample: Path, height: int, folder: Path, device: str) -> Path:
    """A photo, written to the folder, whose largest face's box is so many pixels high."""
    subject = _subject(sample.stem, sample, device, _largest)
    scale = height / (subject.face.box[3] - subject.face.box[1])
    picture = Image.fromarray(subject.pixels)
    path = folder / f"{sample.stem}-{height}.png"
    picture.resize((round(scale * picture.width), round(scale * picture.height)), Image.Resampling.LANCZOS).save(path)
    return path


def protected(subject: Subject, options: Options, protector: Callable[[], Protector]) -> Protected:
    """The subject's face protected, no other of its photo, or what was kept of it.

    options: the faces are not theirs to choose; protector: loads what protects by their profile, if need be.
    Raises UsageError where no file was made.
    """
    pixels = hashlib.sha256(subject.pixels.tobytes()).hexdigest()
    settings: list[Any] = [subject.name, pixels, subject.number, options.seed, profile_key(options.profile)]
    kept = kept_arrays("look_faces", settings, lambda: _protect(subject, options, protector()))
    return Protected(decode_photo(kept["file"].tobytes()).pixels, float(kept["ssim"][0]), bool(kept["holds"][0]))


def _protect(subject: Subject, options: Options, protector: Protector) -> dict[str, np.ndarray]:
    """The arrays that `protected` reads. The file is a PNG: nothing but the protection changes the photo."""
    options = replace(options, faces=str(subject.number), write_unverified=True)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "protected.png"
        result = protect(subject.path, target, options, protector=replace(protector, options=options))
        if result.output is None:
            raise UsageError(result.message)
        file = np.frombuffer(target.read_bytes(), np.uint8)
    ssim = result.faces[subject.number - 1].ssim or 0.0
    return {"file": file, "ssim": np.array([ssim]), "holds": np.array([result.outcome == "protected"])}
