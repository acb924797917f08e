"""What is seen of a change of a face, pixel by pixel: how an attack changes most for what is seen.

- *Masking.* Structure hides changes as fine as itself (Legge and Foley, JOSA 70, 1980). In a window of variance σ² a
  small fine change δ lowers SSIM by about δ² / (2σ² + C) (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13, 2004). σ is the
  least of the windows around a pixel: an edge hides nothing on the smooth skin beside it, where lines would be seen.
- *Contrast sensitivity.* Slow changes are seen far less than fine ones (Campbell and Robson, J. Physiol. 197, 1968); a
  slow change of brightness reads as light. So smooth skin takes slow changes only.
- *What a face is read by.* Eyes, mouth and nostrils are looked at first (Yarbus, Eye Movements and Vision, 1967): they
  change less. Hair and background do not change at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7
# SSIM's constant for the variance, for images in [0, 1].
FLOOR = 0.03**2
LEVELS, SMOOTH, FULL_CONTRAST = 8 / 255, 0.9, 0.05
STRUCTURE = 0.12  # contrast from which on more hides no more: nostrils and teeth would be dotted
EDGE = 0.06  # contrast from which on a single pixel may not change more: brows and lips would be flecked
FINE = 0.5  # deviation of the Gaussian below which no change is finer, in pixels of a 128-pixel face
SLOW = 4.0  # deviation of the Gaussian that makes changes slow, in pixels of a 128-pixel face
SLOW_SHARE = 0.5  # of the slow changes, in units of the fine ones

# Ellipses around places of a face: half axes and soft edge, in units of the distance from eyes to mouth.
OVAL, OVAL_EDGE = (0.91, 1.23), 0.25
EYE, MOUTH_HEIGHT, MOUTH_ROOM, NOSE = (0.27, 0.17), 0.21, 0.1, (0.2, 0.15)
FEATURE_EDGE = 0.6


@dataclass(frozen=True, eq=False)
class Visibility:
    """Of N faces, each map (N, 1, S, S).

    room: in [0, 1], how far a place of the face may change at all.
    fine: how much a fine change is hidden.
    limit: of a pixel's change, 8 gray levels × (0.9 + σ / 0.05) where there is room, σ at most EDGE.
    """

    room: Tensor
    fine: Tensor
    limit: Tensor

    def least_seen(self, gradients: Tensor, rows: Tensor) -> Tensor:
        """The changes of faces `rows` that follow gradients (n, 1, S, S) farthest for what is seen of them; any length.

        A symmetric, positive semidefinite operator: steepest descent where lengths are measured by what is seen.
        """
        room, fine = self.room[rows], self.fine[rows]
        inside, pixel = room * gradients, room.shape[-1] / 128
        fine_change = room * blurred(fine * blurred(inside, FINE * pixel), FINE * pixel)
        slow_change = room * blurred(blurred(inside, SLOW * pixel), SLOW * pixel)
        return _unit(fine_change) + SLOW_SHARE * _unit(slow_change)


@torch.no_grad()
def visibility_of(faces: Tensor, landmarks: Sequence[Tensor], *, features: float, reach: float = 1.0) -> Visibility:
    """Of aligned faces (N, C, S, S) in [0, 1].

    landmarks: (5, 2) of each, in its pixels: eyes, nose, corners of the mouth.
    features: in [0, 1], how far eyes, mouth and nostrils may change, in units of what skin may.
    reach: of the oval outside which nothing changes, in units of a face's usual one.
    """
    contrast = least_contrast(faces).clamp(max=STRUCTURE)
    size = faces.shape[-1]
    room = torch.stack([_room(points.to(faces), size, features, reach) for points in landmarks])[:, None]
    fine = _hidden(contrast) * (contrast / STRUCTURE).square()  # on smooth skin slow changes alone
    return Visibility(room, fine, LEVELS * (SMOOTH + contrast.clamp(max=EDGE) / FULL_CONTRAST) * room)


@torch.no_grad()
def visibility_for_ssim(photos: Tensor) -> Visibility:
    """Of photos (N, C, H, W) in [0, 1] of anything: all may change, and most where SSIM sees it least.

    For its own window, so that lines beside an edge count for little: a figure's view, not an eye's.
    """
    contrast = contrast_of(photos)
    everywhere = torch.ones_like(contrast)
    return Visibility(everywhere, _hidden(contrast), LEVELS * (SMOOTH + contrast / FULL_CONTRAST))


@torch.no_grad()
def contrast_of(photos: Tensor) -> Tensor:
    """The standard deviation in the window around each pixel of photos (N, C, H, W): (N, 1, H, W)."""
    return (_mean(photos.square()) - _mean(photos).square()).mean(1, keepdim=True).clamp(min=0).sqrt()


def least_contrast(faces: Tensor) -> Tensor:
    """The least `contrast_of` the pixels of the window around each pixel of faces (N, C, H, W): (N, 1, H, W)."""
    return -F.max_pool2d(_mirrored(-contrast_of(faces)), WINDOW, 1)


def blurred(maps: Tensor, deviation: float) -> Tensor:
    """Maps (N, C, H, W) through a Gaussian of this many pixels, mirrored at their edges."""
    reach = int(3 * deviation + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).to(maps) / deviation).square())
    kernel = (kernel / kernel.sum()).expand(maps.shape[1], 1, 1, -1)
    maps = F.pad(maps, (reach,) * 4, mode="reflect")
    maps = F.conv2d(maps, kernel, groups=maps.shape[1])
    return F.conv2d(maps, kernel.transpose(2, 3), groups=maps.shape[1])


def _hidden(contrast: Tensor) -> Tensor:
    """The fine change, up to a factor, that costs the same SSIM everywhere."""
    return (2 * contrast.square() + FLOOR).sqrt()


def _room(landmarks: Tensor, size: int, features: float, reach: float) -> Tensor:
    """(S, S): 1 in the face's oval, less at eyes, mouth and nostrils, 0 outside."""
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    unit = (mouth - eyes).norm().clamp(min=1)
    width = (right_mouth - left_mouth).norm() / (2 * unit) + MOUTH_ROOM
    places = ((left_eye, EYE), (right_eye, EYE), (mouth, (float(width), MOUTH_HEIGHT)), (nose, NOSE))
    kept = torch.stack([_ellipse(at, unit, axes, FEATURE_EDGE, size) for at, axes in places]).amax(0)
    oval = _ellipse((eyes + mouth) / 2, reach * unit, OVAL, OVAL_EDGE, size)
    return oval * (1 - (1 - features) * kept)


def _ellipse(center: Tensor, unit: Tensor, axes: tuple[float, float], edge: float, size: int) -> Tensor:
    """(S, S): 1 inside, 0 outside; the edge is soft over this share of the axes."""
    y, x = torch.meshgrid(*(torch.arange(size).to(center),) * 2, indexing="ij")
    distance = ((x - center[0]) / (axes[0] * unit)).hypot((y - center[1]) / (axes[1] * unit))
    return ((1 - distance) / edge + 0.5).clamp(0, 1)


def _unit(maps: Tensor) -> Tensor:
    """Each of the maps (N, C, H, W) at a root mean square of 1."""
    return maps / maps.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)


def _mean(maps: Tensor) -> Tensor:
    """Over the window around each pixel."""
    return F.avg_pool2d(_mirrored(maps), WINDOW, 1)


def _mirrored(maps: Tensor) -> Tensor:
    return F.pad(maps, (WINDOW // 2,) * 4, mode="reflect")
