"""Views of stored face crops: the plain ones that teachers see and figures are made of, and changed ones for a student.

So a student learns where its teacher sees the face when it is well aligned and lit, and steadiness on top.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import compose, sampling_grid, to_luma, transform_to, warp
from deid.faces.templates import Template
from deid.training.data import CROP

ROTATION = math.radians(8)
SCALE = 0.10
SHIFT = 0.07  # of the template's side
SWAPPED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face
BEND = 1.5  # px of a crop by which a face's shape is changed, standard deviation
TINT = 0.5  # standard deviation of the logarithm of a color's weight
BLEND = 2.0  # of the logit of a blended face's share of one person, standard deviation over the face
ERASED = 0.3  # share of the faces of which a rectangle is missing


def mirror(crops: Tensor, landmarks: np.ndarray, chosen: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Crops (N, 3, 192, 192) and landmarks (N, 5, 2) with the chosen ones (bool, N) mirrored."""
    crops, landmarks = crops.clone(), landmarks.copy()
    crops[torch.from_numpy(chosen)] = crops[torch.from_numpy(chosen)].flip(3)
    mirrored = landmarks[chosen][:, SWAPPED]
    mirrored[..., 0] = CROP - 1 - mirrored[..., 0]
    landmarks[chosen] = mirrored
    return crops, landmarks


def bent(crops: Tensor, landmarks: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, np.ndarray]:
    """Every face in a slightly other shape; crops (N, C, 192, 192), landmarks (N, 5, 2)."""
    bend = BEND * _smooth_field(rng, len(crops), 2)
    rows, columns = torch.meshgrid(torch.arange(CROP), torch.arange(CROP), indexing="ij")
    source = torch.stack([columns, rows], -1) + bend.permute(0, 2, 3, 1)
    faces = F.grid_sample(crops, (2 * source + 1) / CROP - 1, padding_mode="border", align_corners=False)
    return faces, landmarks - _values_at(bend, landmarks)


def _smooth_field(rng: np.random.Generator, n: int, channels: int) -> Tensor:
    """Random numbers (N, channels, 192, 192) of standard deviation about one, varying over a quarter of the side."""
    coarse = torch.from_numpy(rng.standard_normal((n, channels, 5, 5), np.float32))
    return F.interpolate(coarse, size=CROP, mode="bicubic", align_corners=True)


def _values_at(field: Tensor, points: np.ndarray) -> np.ndarray:
    """A field's (N, C, 192, 192) values at points (N, P, 2): (N, P, C)."""
    column, row = (torch.from_numpy(points[..., i].round().clip(0, CROP - 1)).long() for i in (0, 1))
    return field[torch.arange(len(field))[:, None], :, row, column].numpy().astype(np.float64)


def blended(
    crops: Tensor, landmarks: np.ndarray, others: Tensor, other_landmarks: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray]:
    """Faces of nobody, each one person here and another there; crops (N, C, 192, 192), landmarks (N, 5, 2).

    Stored crops have eyes and mouths in the same places (`data.cut`), so they need no more fitting.
    """
    share = torch.sigmoid(BLEND * _smooth_field(rng, len(crops), 1))
    share_there = _values_at(share, (landmarks + other_landmarks) / 2)
    blended_landmarks = share_there * landmarks + (1 - share_there) * other_landmarks
    return share * crops + (1 - share) * others, blended_landmarks


def tinted(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Other weights of the three colors for every face, at the same luma of gray; crops (N, 3, H, W) in [0, 1]."""
    gains = torch.from_numpy(np.exp(rng.normal(0, TINT, (len(crops), 3)))).float()[:, :, None, None]
    return crops * gains / to_luma(gains)


def light(crops: Tensor, rng: np.random.Generator) -> Tensor:
    """Contrast ±35 %, brightness ±15 %, gamma, a side light; crops (N, C, H, W) in [0, 1]."""
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


def erased(faces: Tensor, rng: np.random.Generator) -> Tensor:
    """A random rectangle of some faces replaced by one gray, as a hand or a microphone would; faces (N, C, S, S)."""
    faces, size = faces.clone(), faces.shape[-1]
    for i in np.flatnonzero(rng.random(len(faces)) < ERASED):
        height, width = (rng.uniform(0.12, 0.4, 2) * size).astype(int)
        top, left = (rng.uniform(0.1, 0.9, 2) * size - (height / 2, width / 2)).astype(int).clip(0)
        faces[i, :, top : top + height, left : left + width] = rng.uniform()
    return faces


def student_view(
    crops: Tensor,
    landmarks: np.ndarray,
    template: Template,
    rng: np.random.Generator,
    side: int,
    disguised: bool = True,
) -> Tensor:
    """Changed faces (N, 1 or 3, side, side) in [0, 1].

    Lit; the template turned, scaled and shifted, drawn at `side` pixels; some softened; noisy.

    crops: (N, 3, 192, 192) in [0, 1].
    landmarks: (N, 5, 2) in crop pixels.
    template: how the recognizer's faces are aligned; its channels decide between luma and RGB.
    rng: draws all changes.
    side: of the faces, in pixels.
    disguised: whether they are tinted and bent besides, and a rectangle is missing from some.
    """
    crops = tinted(crops, rng) if disguised else crops
    # Luma early where that is what the template shows: less work.
    crops = to_luma(crops) if template.channels == 1 else crops
    if disguised:
        crops, landmarks = bent(crops, landmarks, rng)
    resized = _drawn_at(side, template.size)
    transforms = [
        compose(resized, compose(_jitter(rng, template.size), transform_to(template, points))) for points in landmarks
    ]
    faces = soften(warp(light(crops, rng), sampling_grid(np.stack(transforms), (side, side), (CROP, CROP))), rng)
    noise = torch.from_numpy(rng.uniform(0, 0.03, len(faces))).float()[:, None, None, None]
    noisy = (faces + noise * torch.from_numpy(rng.standard_normal(faces.shape, np.float32))).clamp(0, 1)
    return erased(noisy, rng) if disguised else noisy


def _jitter(rng: np.random.Generator, size: int) -> np.ndarray:
    angle, scale = rng.uniform(-ROTATION, ROTATION), rng.uniform(1 - SCALE, 1 + SCALE)
    shift = rng.uniform(-SHIFT, SHIFT, 2) * size
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[a, -b], [b, a]])
    center = np.full(2, (size - 1) / 2)
    return np.column_stack([linear, center + shift - linear @ center])


def _drawn_at(side: int, size: int) -> np.ndarray:
    """From a template of `size` pixels to the same drawn at `side` pixels."""
    scale = side / size
    return np.array([[scale, 0, scale / 2 - 0.5], [0, scale, scale / 2 - 0.5]])


def aligned_view(crops: Tensor, landmarks: np.ndarray, template: Template) -> Tensor:
    """The crops as a recognizer sees them without jitter, (N, 1 or 3, S, S)."""
    transforms = np.stack([transform_to(template, points) for points in landmarks])
    pictures = to_luma(crops) if template.channels == 1 else crops
    return warp(pictures, sampling_grid(transforms, (template.size,) * 2, (CROP, CROP)))
