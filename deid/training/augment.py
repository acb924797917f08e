"""Views of stored face crops for distillation: one for the student, one for the teacher, of the same picture.

The teacher sees a well aligned chip, the student a jittered one: so the student learns the embedding that the
face has when it is well aligned, and steadiness on top.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import (
    DLIB_TEMPLATE,
    LIGHTCNN_TEMPLATE,
    compose,
    sampling_grid,
    to_luma,
    transform_to,
    warp,
)
from deid.training.data import CROP, MARGIN

ROTATION = math.radians(8)
SCALE = 0.10
SHIFT = 0.07  # of the template's side
SWAPPED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face


def mirror(crops: Tensor, landmarks: np.ndarray, chosen: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Crops (N, 3, 192, 192) and landmarks (N, 5, 2) with the chosen ones (bool, N) mirrored."""
    crops, landmarks = crops.clone(), landmarks.copy()
    crops[torch.from_numpy(chosen)] = crops[torch.from_numpy(chosen)].flip(3)
    mirrored = landmarks[chosen][:, SWAPPED]
    mirrored[..., 0] = CROP - 1 - mirrored[..., 0]
    landmarks[chosen] = mirrored
    return crops, landmarks


def light(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast ±35 %, brightness ±15 %, gamma, a side light; crops (N, 3, H, W) in [0, 1]."""
    n = len(crops)

    def draw(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, n)).float()[:, None, None, None]

    mean = crops.mean((1, 2, 3), keepdim=True)
    lit = (crops - mean) * draw(0.65, 1.35) + mean + draw(-0.15, 0.15)
    slope = torch.linspace(-1, 1, crops.shape[3])
    lit = lit * (1 + draw(-0.25, 0.25) * slope)
    return lit.clamp(1e-4, 1) ** draw(0.8, 1.25)


def soften(faces: Tensor, rng: np.random.Generator) -> Tensor:
    """Every fifth face reduced to a random smaller size and back, as small faces in photos are."""
    faces = faces.clone()
    for i in np.flatnonzero(rng.random(len(faces)) < 0.2):
        size = int(faces.shape[-1] * rng.uniform(0.35, 0.8))
        small = F.interpolate(faces[i : i + 1], size=size, mode="bilinear", antialias=True)
        faces[i : i + 1] = F.interpolate(small, size=faces.shape[-1], mode="bilinear")
    return faces


def student_view(crops: Tensor, rng: np.random.Generator, side: int) -> Tensor:
    """Jittered luma faces (N, 1, side, side): the LightCNN template rotated, scaled, shifted, with noise."""
    transforms = np.stack([_jittered(rng, side) for _ in crops])
    faces = warp(to_luma(crops), sampling_grid(transforms, (side, side), (CROP, CROP)))
    faces = soften(faces, rng)
    noise = torch.from_numpy(rng.uniform(0, 0.03, len(faces))).float()[:, None, None, None]
    return (faces + noise * torch.from_numpy(rng.standard_normal(faces.shape, np.float32))).clamp(0, 1)


def _jittered(rng: np.random.Generator, side: int) -> np.ndarray:
    angle, scale = rng.uniform(-ROTATION, ROTATION), rng.uniform(1 - SCALE, 1 + SCALE)
    shift = rng.uniform(-SHIFT, SHIFT, 2) * LIGHTCNN_TEMPLATE.size
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[a, -b], [b, a]])
    center = np.full(2, (CROP - 1) / 2)
    jitter = np.column_stack([linear, center + shift - linear @ center])
    return compose(_to_side(side), jitter)


def _to_side(side: int) -> np.ndarray:
    """From crop pixels to the LightCNN template drawn at `side` pixels."""
    scale = side / LIGHTCNN_TEMPLATE.size
    offset = scale * (0.5 - MARGIN) - 0.5
    return np.array([[scale, 0, offset], [0, scale, offset]])


def plain_view(crops: Tensor) -> Tensor:
    """The crops as LightCNN sees them without jitter, (N, 1, 128, 128)."""
    return to_luma(crops[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN])


def teacher_view(crops: Tensor, landmarks: np.ndarray) -> Tensor:
    """The crops as dlib's network wants them, (N, 3, 150, 150)."""
    transforms = np.stack([transform_to(DLIB_TEMPLATE, points) for points in landmarks])
    return warp(crops, sampling_grid(transforms, (DLIB_TEMPLATE.size,) * 2, (CROP, CROP)))
