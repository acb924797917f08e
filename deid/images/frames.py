"""Labeled frames around places of a picture, to be seen on any background."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

GREEN, ORANGE, WHITE = (21, 128, 61), (194, 65, 12), (255, 255, 255)  # RGB; white is legible on the others
FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL_HEIGHT = 22  # pixels of a capital letter of `FONT` at scale 1
SMALLEST_LETTER = 12  # pixels

Box = tuple[float, float, float, float]
_Patch = tuple[int, int, int, int]  # (x0, y0, x1, y1), the last row and column not in it


@dataclass(frozen=True)
class Frame:
    """What is to be drawn. box: (x0, y0, x1, y1) in pixels of the picture; color: RGB, dark enough for white text."""

    box: Box
    label: str
    color: tuple[int, int, int] = GREEN
    dashed: bool = False


def with_frames(pixels: np.ndarray, frames: Sequence[Frame]) -> np.ndarray:
    """A picture, uint8 (H, W, 3) RGB or (H, W) gray, with frames around their boxes and labels beside them; RGB.

    Lines and letters grow with the picture. What is in a box stays visible, but for the picture's margin, where there
    is no room for lines outside of it; a label stands where it hides the least of all boxes and other labels.
    """
    picture = np.array(pixels) if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    height, width = picture.shape[:2]
    line = max(2, round(max(height, width) / 400))
    letter = max(SMALLEST_LETTER, round(min(max(height, width) / 80, min(height, width) / 8)))
    rim = max(1, line // 4)  # of white
    inner = [_within(frame.box, line, rim, height, width) for frame in frames]
    for frame, box in zip(frames, inner, strict=True):
        pieces = list(_pieces(box, line, dashed=frame.dashed))
        for x0, y0, x1, y1 in pieces:
            _fill(picture, (x0 - rim, y0 - rim, x1 + rim, y1 + rim), WHITE)
        for piece in pieces:
            _fill(picture, piece, frame.color)
    taken = [(x0 - line, y0 - line, x1 + line, y1 + line) for x0, y0, x1, y1 in inner]
    for frame, around in zip(frames, taken[: len(frames)], strict=True):
        taken.append(_draw_label(picture, frame, around, letter, taken))
    return picture


def _within(box: Box, line: int, rim: int, height: int, width: int) -> _Patch:
    """What a line with its rim goes around: the box in whole pixels, as far as the picture has room for them."""
    x0, y0, x1, y1 = (round(value) for value in box)
    left, top = (min(max(low - rim, line), size - line) for low, size in ((x0, width), (y0, height)))
    return left, top, max(left, min(x1 + rim, width - line)), max(top, min(y1 + rim, height - line))


def _pieces(box: _Patch, line: int, *, dashed: bool) -> Iterator[_Patch]:
    """The strips, `line` wide, around a box: one a side, or several with gaps as long as they are."""
    x0, y0, x1, y1 = box
    for start, end in _dashes(x0 - line, x1 + line, line, dashed=dashed):
        yield start, y0 - line, end, y0
        yield start, y1, end, y1 + line
    for start, end in _dashes(y0 - line, y1 + line, line, dashed=dashed):
        yield x0 - line, start, x0, end
        yield x1, start, x1 + line, end


def _dashes(start: int, end: int, line: int, *, dashed: bool) -> list[tuple[int, int]]:
    """From where to where; a dashed side begins and ends with a dash, so that corners are seen."""
    gaps = max(1, round((end - start) / (8 * line))) if dashed else 0
    marks = np.linspace(start, end, 2 * gaps + 2).round().astype(int).tolist()
    return list(zip(marks[::2], marks[1::2], strict=True))


def _draw_label(picture: np.ndarray, frame: Frame, around: _Patch, letter: int, taken: Sequence[_Patch]) -> _Patch:
    """White on a patch of the frame's color; the patch."""
    scale, stroke, margin = letter / CAPITAL_HEIGHT, max(1, round(letter / 6)), round(letter / 3)
    (text_width, text_height), _ = cv2.getTextSize(frame.label, FONT, scale, stroke)
    width, height = text_width + 2 * margin, text_height + 2 * margin
    x0, y0, x1, y1 = around
    corners = [(x0, y0 - height), (x1 - width, y0 - height), (x0, y1), (x1 - width, y1), (x1, y0), (x0 - width, y0)]
    patches = []
    for x, y in [*corners, (x0, y0)]:
        left = max(0, min(x, picture.shape[1] - width))
        top = max(0, min(y, picture.shape[0] - height))
        patches.append((left, top, left + width, top + height))
    patch = min(patches, key=lambda patch: sum(_shared(patch, other) for other in taken))
    x0, y0, x1, y1 = patch
    _fill(picture, (x0 - 1, y0 - 1, x1 + 1, y1 + 1), WHITE)
    _fill(picture, patch, frame.color)
    at = (x0 + margin, y0 + margin + text_height)
    cv2.putText(picture, frame.label, at, FONT, scale, WHITE, stroke, cv2.LINE_AA)
    return patch


def _fill(picture: np.ndarray, patch: _Patch, color: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = (max(0, value) for value in patch)
    picture[y0:y1, x0:x1] = color


def _shared(a: _Patch, b: _Patch) -> int:
    """Pixels that two patches have in common."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
