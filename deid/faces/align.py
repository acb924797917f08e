"""Alignment: the similarity transform that takes a face's five landmarks to a recognizer's template.

A transform is a (2, 3) matrix from photo pixels to aligned pixels; pixel centers have integer coordinates.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from deid.faces.templates import LIGHTCNN_EYE_CENTER, LIGHTCNN_EYE_TO_MOUTH, Template

# Luma of full-range BT.601, as JPEG and Pillow's mode L have it.
LUMA = (0.299, 0.587, 0.114)


def transform_to(template: Template, landmarks: np.ndarray) -> np.ndarray:
    """The (2, 3) similarity transform from photo to template for landmarks (5, 2); float64."""
    if template.points is None:
        return lightcnn_transform(landmarks)
    return least_squares_similarity(landmarks, np.array(template.points))


def lightcnn_transform(landmarks: np.ndarray) -> np.ndarray:
    """Eye line horizontal, eye center at (64, 40), distance from eye center to mouth center 48 pixels."""
    left_eye, right_eye, _, left_mouth, right_mouth = landmarks
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    angle = math.atan2(right_eye[1] - left_eye[1], right_eye[0] - left_eye[0])
    # A profile's mouth may lie on its eyes; one pixel keeps the transform finite.
    scale = LIGHTCNN_EYE_TO_MOUTH / max(1.0, math.dist(eyes, mouth))
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[a, b], [-b, a]])
    return np.column_stack([linear, np.array(LIGHTCNN_EYE_CENTER) - linear @ eyes])


def jittered(landmarks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Landmarks (5, 2) as if the face were found a little turned, larger or smaller, and aside.

    Each uniformly, by up to 12°, 12 % of the size, and 12 % of the distance of the eyes. Diverse inputs make what is
    learned on one network hold on others (Xie et al., CVPR 2019).
    """
    center, eyes = landmarks.mean(0), math.dist(landmarks[0], landmarks[1])
    angle, scale = math.radians(rng.uniform(-12, 12)), 1 + rng.uniform(-0.12, 0.12)
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return (landmarks - center) @ turn.T + center + eyes * rng.uniform(-0.12, 0.12, 2)


def least_squares_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity (no reflection) with least squared error from points (P, 2) to points (P, 2) (Umeyama 1991)."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    s, t = source - source_mean, target - target_mean
    variance = max(float((s * s).sum()), 1e-9)
    a = float((s * t).sum()) / variance
    b = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / variance
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, target_mean - linear @ source_mean])


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The (2, 3) transform that applies `first`, then `second`."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def inverse(transform: np.ndarray) -> np.ndarray:
    """The (2, 3) transform that undoes this one. Raises LinAlgError where there is none."""
    linear = np.linalg.inv(transform[:, :2])
    return np.column_stack([linear, -linear @ transform[:, 2]])


def scale_of(transform: np.ndarray) -> float:
    """Target pixels a source pixel."""
    return float(np.hypot(transform[0, 0], transform[1, 0]))


def sampling_grid(transforms: np.ndarray, size: tuple[int, int], source_size: tuple[int, int]) -> Tensor:
    """Where each target pixel lies in the source: grids (N, H, W, 2) for `warp`, float32.

    transforms: (N, 2, 3) from source to target pixels; size: (H, W) of the target; source_size: of the source.
    """
    backward = np.stack([inverse(t) for t in transforms])
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    target = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    source = target @ backward.transpose(0, 2, 1)[:, None]
    normalized = (2 * source + 1) / np.array([source_size[1], source_size[0]]) - 1
    return torch.from_numpy(normalized.astype(np.float32))


def warp(images: Tensor, grid: Tensor, *, padding: str = "border") -> Tensor:
    """Images (N, C, h, w) sampled bilinearly at a grid (N, H, W, 2): (N, C, H, W), differentiable."""
    return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def to_luma(rgb: Tensor) -> Tensor:
    """RGB (N, 3, H, W) → luma (N, 1, H, W); one channel stays as it is."""
    if rgb.shape[1] == 1:
        return rgb
    return torch.einsum("nchw,c->nhw", rgb, rgb.new_tensor(LUMA))[:, None]


# A large face is looked at in a reduced picture, this many of its pixels a pixel of the template.
PATCH_DETAIL = 1.5
# Room around the template, as a share of its side, so that a face found a little elsewhere still lies inside.
PATCH_ROOM = 0.15


@dataclass(frozen=True)
class Patch:
    """The part of a photo around one face.

    pixels: (C, h, w) float32 in [0, 1], the photo's own pixels or, for a large face, reduced ones. region: (x0, y0,
    x1, y1), whole pixels of the photo. from_photo: (2, 3), photo to patch pixels.
    """

    pixels: Tensor
    region: tuple[int, int, int, int]
    from_photo: np.ndarray


def region_around(photo_size: tuple[int, ...], transform: np.ndarray, size: int) -> tuple[int, int, int, int]:
    """Whole pixels (x0, y0, x1, y1) of a photo of (H, W) that hold a face's template of `size` pixels, and some room.

    Where the template passes the photo's edge the region ends there; it is never empty.
    """
    room = PATCH_ROOM * size
    corners = np.array([[-room, -room], [size + room, -room], [-room, size + room], [size + room, size + room]])
    back = inverse(transform)
    corners = corners @ back[:, :2].T + back[:, 2]
    height, width = photo_size
    x0, y0 = (int(np.clip(np.floor(c), 0, limit - 1)) for c, limit in zip(corners.min(0), (width, height), strict=True))
    x1, y1 = (int(np.clip(np.ceil(c) + 1, 1, limit)) for c, limit in zip(corners.max(0), (width, height), strict=True))
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def patch_around(pixels: np.ndarray, transform: np.ndarray, size: int) -> Patch:
    """The patch for a face whose template of `size` pixels lies in the photo as `transform` says.

    pixels: uint8 (H, W, 3) or (H, W). Where the template passes the photo's edge the patch ends there.
    """
    x0, y0, x1, y1 = region_around(pixels.shape[:2], transform, size)
    part = pixels[y0:y1, x0:x1]
    scale = min(1.0, PATCH_DETAIL * scale_of(transform))
    if scale < 1:
        reduced = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
        part = np.asarray(Image.fromarray(part).resize(reduced, Image.Resampling.BILINEAR, reducing_gap=3))
    sx, sy = part.shape[1] / (x1 - x0), part.shape[0] / (y1 - y0)
    from_photo = np.array([[sx, 0, sx * (0.5 - x0) - 0.5], [0, sy, sy * (0.5 - y0) - 0.5]])
    tensor = torch.from_numpy(np.array(part)).reshape(*part.shape[:2], -1).permute(2, 0, 1).float() / 255
    return Patch(tensor, (x0, y0, x1, y1), from_photo)


def align_face(pixels: np.ndarray, landmarks: np.ndarray, template: Template) -> Tensor:
    """A face of a photo as a recognizer wants it: (C, S, S) float32 in [0, 1]."""
    transform = transform_to(template, landmarks)
    patch = patch_around(pixels, transform, template.size)
    return align_patch(patch.pixels[None], patch, transform, template)[0]


def align_patch(patches: Tensor, patch: Patch, transform: np.ndarray, template: Template) -> Tensor:
    """Versions (N, C, h, w) of one patch → aligned faces (N, C, S, S); transform: from photo to template."""
    to_template = compose(transform, inverse(patch.from_photo))
    grid = sampling_grid(to_template[None], (template.size,) * 2, (patches.shape[2], patches.shape[3]))
    channels = to_luma(patches) if template.channels == 1 else patches.expand(-1, 3, -1, -1)
    return warp(channels, grid.expand(len(patches), -1, -1, -1))
