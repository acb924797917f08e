"""Which published photo belongs to which original, which face to which, and whether it is the same photo at all."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from deid.faces.detect import SAME_FACE
from deid.faces.face import Face, overlap

THUMBNAIL = 32  # pixels a side: a blurred face, a mosaic or a perturbation leaves no trace at this size
SAME_PHOTO = 0.95  # correlation of the thumbnails of a photo and a version of it
SAME_COLOR = 8  # mean difference, of 255, of two pictures one of which is of one color


def match_files(originals: Sequence[Path], published: Sequence[Path]) -> dict[Path, Path]:
    """Original → published relative path: the same path, else the same one without its suffix if that is unique."""
    same_paths = set(published)
    pairs = {path: path for path in originals if path in same_paths}
    by_stem: dict[Path, list[Path]] = {}
    for path in published:
        if path not in pairs:
            by_stem.setdefault(path.with_suffix(""), []).append(path)
    for path in originals:
        if path not in pairs and len(alike := by_stem.get(path.with_suffix(""), [])) == 1:
            pairs[path] = alike.pop()
    return pairs


def match_faces(originals: Sequence[Face], published: Sequence[Face]) -> list[Face | None]:
    """For each original face the published one in its place, largest overlap first; boxes in the same pixels."""
    pairs = sorted(
        ((overlap(a.box, b.box), i, j) for i, a in enumerate(originals) for j, b in enumerate(published)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    matches: dict[int, int] = {}
    for shared, i, j in pairs:
        if shared >= SAME_FACE and i not in matches and j not in matches.values():
            matches[i] = j
    return [published[matches[i]] if i in matches else None for i in range(len(originals))]


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A photo (H, W) or (H, W, 3) uint8 as (32, 32) uint8 luma, whatever its shape."""
    luma = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(luma, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)


def same_photo(a: np.ndarray, b: np.ndarray) -> bool:
    """Do two thumbnails show one photo? By pixels, not by embedding: a good protection moves the embedding."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:  # a picture of one color has no correlation
        return bool(np.abs(a.astype(np.float64) - b).mean() < SAME_COLOR)
    return bool(cv2.matchTemplate(a, b, cv2.TM_CCOEFF_NORMED)[0, 0] >= SAME_PHOTO)
