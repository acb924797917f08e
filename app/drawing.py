"""Frames with their marks on a photo, and which of them was clicked."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

Color = tuple[int, int, int]
CHOSEN, LEFT_OUT, POSSIBLE, WHITE = (21, 128, 61), (107, 114, 128), (180, 83, 9), (255, 255, 255)  # RGB
FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL_HEIGHT = 22  # pixels of a capital letter of `FONT` at scale 1
DASH, GAP = 5, 3  # widths of a line
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Frame:
    """box: in pixels of the photo; mark: what stands on it; is_possible: no detector is sure of it."""

    box: Box
    mark: str
    is_chosen: bool
    is_possible: bool = False


def with_frames(
    preview: Path, frames: Iterable[Frame], scale: float, corner: tuple[float, float] | None = None
) -> Image.Image:
    """The picture with a frame around each face.

    A chosen one is thick and green, one left out thin and gray; a possible face's is dashed, and amber if left out.

    scale: pixels of the picture a pixel of the boxes.
    corner: where a box begins that is being drawn, in pixels of the photo.
    """
    with Image.open(preview) as opened:
        picture = np.array(opened.convert("RGB"))
    line = max(2, round(max(picture.shape[:2]) / 250))
    for frame in frames:
        color = CHOSEN if frame.is_chosen else POSSIBLE if frame.is_possible else LEFT_OUT
        width = line if frame.is_chosen or frame.is_possible else max(1, line // 2)
        x0, y0, x1, y1 = (round(value * scale) for value in frame.box)
        for shade, thick in ((WHITE, width + 2), (color, width)):
            if frame.is_possible:
                _draw_dashes(picture, ((x0, y0), (x1, y1)), shade, thick, line)
            else:
                cv2.rectangle(picture, (x0, y0), (x1, y1), shade, thick)
        _draw_label(picture, frame.mark, (x0, y0), color, line)
    if corner is not None:
        at = (round(corner[0] * scale), round(corner[1] * scale))
        for shade, thick in ((WHITE, line + 2), (CHOSEN, line)):
            cv2.drawMarker(picture, at, shade, cv2.MARKER_CROSS, 12 * line, thick)
    return Image.fromarray(picture)


def _draw_dashes(
    picture: np.ndarray, corners: tuple[tuple[int, int], tuple[int, int]], color: Color, thick: int, line: int
) -> None:
    """A dashed rectangle, with a dash on both sides of every corner. line: of which dashes are multiples."""
    (x0, y0), (x1, y1) = corners
    for begin, end in _dashes(x1 - x0, line):
        for y in (y0, y1):
            cv2.line(picture, (x0 + begin, y), (x0 + end, y), color, thick)
    for begin, end in _dashes(y1 - y0, line):
        for x in (x0, x1):
            cv2.line(picture, (x, y0 + begin), (x, y0 + end), color, thick)


def _dashes(length: int, line: int) -> Iterator[tuple[int, int]]:
    """Where dashes begin and end along a side: as many as fit, at least two, the last at the side's end."""
    count = max(2, round(length / ((DASH + GAP) * line)))
    unit = length / (count * (DASH + GAP) - GAP)
    for i in range(count):
        begin = i * (DASH + GAP) * unit
        yield round(begin), round(begin + DASH * unit)


def _draw_label(picture: np.ndarray, text: str, corner: tuple[int, int], color: Color, line: int) -> None:
    """White on a patch of `color` that stands on a box's top left corner, or hangs from it where there is no room."""
    x, y = corner
    scale, stroke = max(12, 4.5 * line) / CAPITAL_HEIGHT, line
    (text_width, text_height), _ = cv2.getTextSize(text, FONT, scale, stroke)
    width, height = text_width + 6 * line, text_height + 4 * line
    top = y - height if y >= height else y
    x = max(0, min(x, picture.shape[1] - width))
    cv2.rectangle(picture, (x, top), (x + width, top + height), color, cv2.FILLED)
    cv2.putText(picture, text, (x + 3 * line, top + 2 * line + text_height), FONT, scale, WHITE, stroke, cv2.LINE_AA)


def face_at(x: float, y: float, boxes: Mapping[str, Box], scale: float) -> str | None:
    """The key of the smallest box around this point of the picture."""
    inside = [
        ((box[2] - box[0]) * (box[3] - box[1]), key)
        for key, box in boxes.items()
        if box[0] * scale <= x <= box[2] * scale and box[1] * scale <= y <= box[3] * scale
    ]
    return min(inside)[1] if inside else None
