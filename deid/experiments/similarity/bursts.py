"""Honest users who ask much: bursts of queries in which every alarm is a false one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deid.defenses.prediction_similarity import Guard, Settings
from deid.experiments.speed import Identities
from deid.faces.align import align_face
from deid.faces.mtcnn import mtcnn
from deid.images.handlings import HANDLINGS
from deid.images.photo import read_photo
from deid.recognizers.recognizer import Recognizer
from deid.training.data import central_face, held_out_people

SEVERAL, MOST = 5, 40  # photos of one person
MARGINS = (5, 10, 20, 30)  # pixels that a crop takes off each side
FRAMES, VIDEO = 3, 25
SENSOR = 0.01  # standard deviation of a camera's noise, from frame to frame


@dataclass(frozen=True)
class Burst:
    """queries: of one user. alarms: of them, all false. first: the first with one, from 1, or None."""

    queries: int
    alarms: int
    first: int | None


Photos = Callable[[Path, Recognizer], list[Tensor]]
"""A person's folder → what a user asks about, aligned faces (C, S, S) of the photos in which there is one."""


def photos_of(person: Path, recognizer: Recognizer) -> list[Tensor]:
    return _faces([read_photo(photo).pixels for photo in _files(person)[:MOST]], recognizer)


def versions_of(person: Path, recognizer: Recognizer) -> list[Tensor]:
    """One photo recompressed, made smaller, blurred, and cropped."""
    pixels = read_photo(_files(person)[0]).pixels
    crops = [np.ascontiguousarray(pixels[by:-by, by:-by]) for by in MARGINS]
    return _faces([*(change(pixels) for change in HANDLINGS.values()), *crops], recognizer)


def animation_of(person: Path, recognizer: Recognizer) -> list[Tensor]:
    return _frames(person, recognizer, FRAMES)


def video_of(person: Path, recognizer: Recognizer) -> list[Tensor]:
    return _frames(person, recognizer, VIDEO)


BURSTS: Mapping[str, tuple[str, Photos]] = {
    "photos": (f"{SEVERAL} to {MOST} photos of one person", photos_of),
    "versions": (f"one photo and {len(HANDLINGS) - 1} recompressions and sizes, {len(MARGINS)} crops", versions_of),
    "animation": (f"an animation of {FRAMES} frames", animation_of),
    "video": (f"a video of {VIDEO} frames, each asked about", video_of),
}


def people_for(kind: str, folder: Path, count: int) -> list[Path]:
    """The first `count` held-out people with enough photos for a kind of BURSTS. folder: a folder a person (LFW)."""
    people = [
        folder / name for name in sorted(held_out_people(path.name for path in folder.iterdir() if path.is_dir()))
    ]
    needed = SEVERAL if kind == "photos" else 1
    return [person for person in people if len(_files(person)) >= needed][:count]


def burst_of_person(kind: str, person: Path, recognizer: Recognizer, settings: Settings) -> Burst | None:
    """One user asks a recognizer that knows the person and its decoys; None where there is no face."""
    photos = BURSTS[kind][1](person, recognizer)
    if not photos:
        return None
    faces = torch.stack(photos)
    with torch.no_grad():
        prototypes = torch.cat([recognizer.embed(faces[:1]), recognizer.decoys])
        return burst(Identities(recognizer.embed, prototypes, recognizer.spread), faces, settings)


@torch.no_grad()
def burst(classify: Callable[[Tensor], Tensor], photos: Tensor, settings: Settings) -> Burst:
    """photos: (n, C, H, W), what one user asks a guard that is new."""
    guard = Guard(classify, settings)
    alarms = [alarm for part in photos.split(16) for alarm in guard(part, user="an honest one").alarms]
    rows = [at for at, alarm in enumerate(alarms, 1) if alarm is not None]
    return Burst(len(photos), len(rows), min(rows, default=None))


def _files(person: Path) -> list[Path]:
    return sorted(person.glob("*.jpg"))


def _faces(pictures: Sequence[np.ndarray], recognizer: Recognizer) -> list[Tensor]:
    faces = []
    for pixels in pictures:
        rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
        face = central_face(mtcnn(rgb[None])[0], rgb.shape[:2])
        if face is not None:
            faces.append(align_face(rgb, face.landmarks, recognizer.template).clamp(0, 1))
    return faces


def _frames(person: Path, recognizer: Recognizer, count: int) -> list[Tensor]:
    """A camera that moves by a pixel a frame, and its noise."""
    pixels = read_photo(_files(person)[0]).pixels
    rng = np.random.default_rng(0)
    moved = [np.roll(pixels, (frame % 3, frame % 5), (0, 1)) for frame in range(count)]
    noisy = [255 * rng.normal(0, SENSOR, pixels.shape) + frame for frame in moved]
    return _faces([frame.round().clip(0, 255).astype(np.uint8) for frame in noisy], recognizer)
