"""Training faces: found once, cut out upright with room to jitter, kept in one memory-mapped file.

A stored crop is the LightCNN template with `MARGIN` pixels around it, so a student's and a teacher's view of the
same face can be sampled from the same picture.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from deid.errors import UsageError
from deid.faces.align import lightcnn_transform, sampling_grid, warp
from deid.faces.face import Face
from deid.faces.mtcnn import mtcnn

MARGIN = 32
CROP = 128 + 2 * MARGIN
BATCH = 32
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class FaceSet:
    """Stored faces.

    crops: uint8 (N, 192, 192, 3) RGB.
    landmarks: float32 (N, 5, 2) in crop pixels.
    names: the person of each.
    """

    crops: np.ndarray
    landmarks: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def crops_of(faces: FaceSet, indices: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Crops (N, 3, 192, 192) in [0, 1] and landmarks (N, 5, 2)."""
    crops = torch.from_numpy(np.stack([faces.crops[i] for i in indices]))
    return crops.permute(0, 3, 1, 2).float() / 255, faces.landmarks[indices].astype(np.float64)


def held_out_people(names: Iterable[str]) -> set[str]:
    """Every tenth person in alphabetical order: kept for the figures, never trained on."""
    people = sorted(set(names))
    return set(people[:: round(1 / HELD_OUT_SHARE)])


def central_face(faces: list[Face], size: tuple[int, int]) -> Face | None:
    """The face that contains the picture's center or comes nearest to it: LFW's person stands there."""
    center = np.array([size[1], size[0]]) / 2
    return min(faces, key=lambda face: float(np.linalg.norm(face.landmarks[2] - center)), default=None)


def cut(picture: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crop (192, 192, 3) uint8 of a face of an RGB picture, and its landmarks in the crop."""
    transform = lightcnn_transform(landmarks)
    transform[:, 2] += MARGIN
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float()
    crop = warp(image, sampling_grid(transform[None], (CROP, CROP), picture.shape[:2]))[0]
    pixels = crop.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return pixels, landmarks @ transform[:, :2].T + transform[:, 2]


def prepare(people: Path, cache: Path) -> FaceSet:
    """The faces of a folder with a folder a person (LFW), detected once and kept under `cache`.

    Raises UsageError for a folder that has too few people to train on some and measure on others.
    """
    if not (cache / "names.json").is_file():
        _prepare(people, cache)
    return FaceSet(
        np.load(cache / "crops.npy", mmap_mode="r"),
        np.load(cache / "landmarks.npy"),
        tuple(json.loads((cache / "names.json").read_text())),
    )


def _prepare(people: Path, cache: Path) -> None:
    crops, landmarks, names = [], [], []
    files = sorted(people.glob("*/*.jpg"))
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in batch])
        for file, picture, faces in zip(batch, pictures, mtcnn(pictures), strict=True):
            face = central_face(faces, picture.shape[:2])
            if face is not None:
                crop, points = cut(picture, face.landmarks)
                crops.append(crop)
                landmarks.append(points.astype(np.float32))
                names.append(file.parent.name)
    counts = Counter(names)
    held_out = held_out_people(names)
    if len(held_out) < 2 or not any(counts[name] > 1 for name in held_out):
        raise UsageError(
            f"{people}: faces of {len(counts)} people were found, too few to train on some and measure on others"
            " (JPEG photos, a folder for each person; every tenth person is held out)"
        )
    cache.mkdir(parents=True, exist_ok=True)
    np.save(cache / "crops.npy", np.stack(crops))
    np.save(cache / "landmarks.npy", np.stack(landmarks))
    # Written last: its presence says that the others are whole.
    (cache / "names.json").write_text(json.dumps(names))
