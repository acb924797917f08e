"""Figures of what disfigures a face, which SSIM does not see: blotches, lines and changed eyes.

All are of the aligned frame, 128 × 128 pixels as LightCNN's template has it, in color: a face's size is no matter.
Points are the five landmarks (5, 2) in it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deid.faces.align import LUMA, align_face, compose, region_around, transform_to, warp
from deid.faces.paste import deposit
from deid.faces.templates import LIGHTCNN_TEMPLATE, Template
from deid.losses.visibility import visibility_of

FRAME = Template(size=LIGHTCNN_TEMPLATE.size, channels=3)
WINDOW, SMOOTH = 7, 0.03  # pixels; the largest standard deviation in such a window that is smooth
SMOOTHEST = 0.25  # at least this share of the skin counts as smooth, however rough it is
IRIS = 0.09  # radius in distances of the eyes: 11.7 mm across, 63 mm from one to the other
# Half axes of ellipses, in distances of the eyes (across) and of the eyes from the mouth (down).
FACE, EYE_AND_BROW, MOUTH = (1.0, 1.15), (0.45, 0.36), (0.55, 0.27)
FACE_MIDDLE, EYE_AND_BROW_RISE = 0.4, 0.14  # their centers: so far from the eyes to the mouth, and above an eye
HIDING = 0.04  # the standard deviation in a window that hides half of a line there
# Of lines. WIDTHS: σ across in pixels; wider ones would be in the edges of slow shading as well, with σ of 4.
ORIENTATIONS, WIDTHS, ELONGATION = 8, (0.7, 1.0), 3.0


@dataclass(frozen=True)
class Figures:
    """What changed in one face.

    skin_delta_e: 95th percentile of CIEDE2000 over smooth skin, 0 for none.
    lines: contrast in gray levels, root mean square, of what lines the change draws on smooth skin; 0 for none.
    all_lines: the same all over the face, but its irises, the less the more structure hides them.
    iris_delta_e: mean CIEDE2000 over both irises.
    outside: the largest change, in gray levels, beyond the usual oval of a face; 0 but for hard faces.
    """

    skin_delta_e: float
    lines: float
    all_lines: float
    iris_delta_e: float
    outside: int


def figures_of(clean: np.ndarray, saved: np.ndarray, landmarks: np.ndarray) -> Figures:
    """clean, saved: one photo, uint8 (H, W, 3) or (H, W); landmarks: (5, 2), of the clean face."""
    before, after = (align_face(pixels, landmarks, FRAME) for pixels in (clean, saved))
    transform = transform_to(FRAME, landmarks)
    points = landmarks @ transform[:, :2].T + transform[:, 2]
    return Figures(*figures_in(before, after, points), outside_change(clean, saved, landmarks))


def figures_in(before: Tensor, after: Tensor, points: np.ndarray) -> tuple[float, float, float, float]:
    """All of Figures but the last, of an aligned face (3, S, S) in [0, 1]; points: (5, 2), its landmarks there."""
    skin, iris = smooth_skin(before, points), irises(points)
    change, lines = delta_e(before, after), drawn_lines(before, after)
    seen = (lines / (1 + roughness(before) / HIDING))[_face(points) & ~iris]
    on_skin, all_over = (float(np.sqrt((part**2).mean())) for part in (lines[skin], seen))
    return float(np.percentile(change[skin], 95)), on_skin, all_over, float(change[iris].mean())


def delta_e(before: Tensor, after: Tensor) -> np.ndarray:
    """CIEDE2000 of each pixel (H, W) of two sRGB pictures (3, H, W) in [0, 1]; 1 is just seen, black to white is 100.

    Sharma, Wu, Dalal, Color Research and Application 30, 2005.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    first, second = (rgb2lab(picture.permute(1, 2, 0).numpy()) for picture in (before, after))
    return np.asarray(deltaE_ciede2000(first, second))


def smooth_skin(face: Tensor, points: np.ndarray) -> np.ndarray:
    """Of a clean face (3, S, S): bool (S, S), inside its oval, off eyes, brows and mouth, where its luma is smooth."""
    rough, skin = roughness(face), _skin(points)
    return np.asarray(skin & (rough <= max(SMOOTH, np.quantile(rough[skin], SMOOTHEST))))


def roughness(face: Tensor) -> np.ndarray:
    """Of a face (3, S, S): the standard deviation (S, S) of its luma in the window around each pixel."""
    luma = _luma(face)
    mean, square = (_mean(maps) for maps in (luma, luma.square()))
    return np.asarray((square - mean.square()).clamp(min=0).sqrt()[0, 0].numpy())


def irises(points: np.ndarray, size: int = FRAME.size) -> np.ndarray:
    """bool (size, size): discs at both eyes."""
    radius = max(1.0, IRIS * _across(points))  # never without a pixel, in profile
    return np.asarray(np.logical_or(*(_ellipse(eye, radius, radius, size) for eye in points[:2])))


def drawn_lines(before: Tensor, after: Tensor) -> np.ndarray:
    """Contrast (S, S), in gray levels, of the lines that a change of a face (3, S, S) draws.

    The filters are linear: their response to the change is that after less that before. A ratio of the two energies
    would be of hair and jaw, whose edges they feel from afar. For the same reason no line counts for more at a pixel
    than the pixel itself changed.
    """
    change = _luma(after) - _luma(before)
    return np.asarray(255 * torch.minimum(line_contrast(change), change[:, 0].abs())[0].numpy())


def line_contrast(luma: Tensor) -> Tensor:
    """Of luma (N, 1, H, W): the contrast (N, H, W), as luma, of the strongest line through each pixel, at least 0."""
    responses = []
    for bank in _banks():
        edge = bank.shape[-1] // 2
        responses.append(F.conv2d(F.pad(luma, (edge,) * 4, mode="replicate"), bank))
    return torch.cat(responses, 1).abs().amax(1)


def _banks() -> list[Tensor]:
    """Even filters (ORIENTATIONS, 1, s, s), one bank for each of WIDTHS: a line of their width and contrast 1 gives 1.

    Across, the second derivative of a Gaussian (Freeman, Adelson, IEEE PAMI 13, 1991); along, a longer Gaussian.
    """
    banks = []
    for width in WIDTHS:
        reach = round(2.5 * ELONGATION * width)
        y, x = torch.meshgrid(*[torch.arange(-reach, reach + 1.0)] * 2, indexing="ij")
        filters = []
        for angle in torch.arange(ORIENTATIONS) * (torch.pi / ORIENTATIONS):
            across, along = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
            profile = (1 - (across / width).square()) * torch.exp(-0.5 * (across / width).square())
            kernel = profile * torch.exp(-0.5 * (along / (ELONGATION * width)).square())
            kernel = kernel - kernel.mean()
            line = torch.exp(-0.5 * (across / width).square())
            filters.append(kernel / (kernel * line).sum())
        banks.append(torch.stack(filters)[:, None])
    return banks


def outside_change(clean: np.ndarray, saved: np.ndarray, landmarks: np.ndarray) -> int:
    """The largest change of any sample where a perturbation has no room: beyond the usual oval of a face."""
    change = np.abs(clean.astype(np.int16) - saved.astype(np.int16)).reshape(*clean.shape[:2], -1).max(-1)
    transform = transform_to(LIGHTCNN_TEMPLATE, landmarks)
    x0, y0, x1, y1 = region_around(clean.shape[:2], transform, LIGHTCNN_TEMPLATE.size)
    shifted = compose(transform, np.array([[1.0, 0, x0], [0, 1, y0]]))
    grid, mask = deposit(shifted, (y1 - y0, x1 - x0), LIGHTCNN_TEMPLATE.size)
    points = torch.from_numpy(landmarks @ transform[:, :2].T + transform[:, 2])
    face = align_face(clean, landmarks, LIGHTCNN_TEMPLATE)[None]
    room = visibility_of(face, [points], features=1).room
    reached = warp(room, grid[None], padding="zeros")[0] * mask
    change[y0:y1, x0:x1][reached[0].numpy() > 0] = 0
    return int(change.max())


def _face(points: np.ndarray, size: int = FRAME.size) -> np.ndarray:
    """bool (size, size): inside the face's oval."""
    eyes, across, down = points[:2].mean(0), _across(points), _down(points)
    middle = eyes + FACE_MIDDLE * (points[3:].mean(0) - eyes)
    return _ellipse(middle, FACE[0] * across, FACE[1] * down, size)


def _skin(points: np.ndarray, size: int = FRAME.size) -> np.ndarray:
    """bool (size, size): inside the face's oval, off eyes, brows and mouth."""
    across, down, inside = _across(points), _down(points), _face(points, size)
    for eye in points[:2]:
        place = eye - (0, EYE_AND_BROW_RISE * down)
        inside &= ~_ellipse(place, EYE_AND_BROW[0] * across, EYE_AND_BROW[1] * down, size)
    return np.asarray(inside & ~_ellipse(points[3:].mean(0), MOUTH[0] * across, MOUTH[1] * down, size))


def _across(points: np.ndarray) -> float:
    """The distance of the eyes."""
    return float(np.linalg.norm(points[1] - points[0]))


def _down(points: np.ndarray) -> float:
    """The distance of the eyes from the mouth."""
    return float(np.linalg.norm(points[3:].mean(0) - points[:2].mean(0)))


def _ellipse(center: np.ndarray, half_width: float, half_height: float, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return np.asarray(((x - center[0]) / half_width) ** 2 + ((y - center[1]) / half_height) ** 2 <= 1)


def _luma(face: Tensor) -> Tensor:
    """(3, H, W) → (1, 1, H, W)."""
    return torch.einsum("chw,c->hw", face, face.new_tensor(LUMA))[None, None]


def _mean(maps: Tensor) -> Tensor:
    """Over the window around each pixel, the maps mirrored at their edges."""
    edge = WINDOW // 2
    return F.avg_pool2d(F.pad(maps, (edge,) * 4, mode="reflect"), WINDOW, 1)
