"""Numbered boxes on a photo, and which of them was clicked."""

from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

CHOSEN, LEFT_OUT, WHITE = (21, 128, 61), (107, 114, 128), (255, 255, 255)  # RGB
FONT = cv2.FONT_HERSHEY_SIMPLEX
CAPITAL_HEIGHT = 22  # pixels of a capital letter of `FONT` at scale 1
Box = tuple[float, float, float, float]


def with_boxes(preview: Path, boxes: Sequence[Box], scale: float, chosen: Collection[int]) -> Image.Image:
    """The picture with a box and a number on each face: thick green if chosen (numbers from 1), thin gray if not.

    scale: pixels of the picture a pixel of the boxes.
    """
    with Image.open(preview) as opened:
        picture = np.array(opened.convert("RGB"))
    line = max(2, round(max(picture.shape[:2]) / 250))
    for number, box in enumerate(boxes, 1):
        color, width = (CHOSEN, line) if number in chosen else (LEFT_OUT, max(1, line // 2))
        x0, y0, x1, y1 = (round(value * scale) for value in box)
        cv2.rectangle(picture, (x0, y0), (x1, y1), WHITE, width + 2)
        cv2.rectangle(picture, (x0, y0), (x1, y1), color, width)
        _draw_label(picture, str(number), (x0, y0), color, line)
    return Image.fromarray(picture)


def _draw_label(
    picture: np.ndarray, text: str, corner: tuple[int, int], color: tuple[int, int, int], line: int
) -> None:
    """White on a patch of `color` that stands on a box's top left corner, or hangs from it where there is no room."""
    x, y = corner
    scale, stroke = max(12, 4.5 * line) / CAPITAL_HEIGHT, line
    (text_width, text_height), _ = cv2.getTextSize(text, FONT, scale, stroke)
    width, height = text_width + 6 * line, text_height + 4 * line
    top = y - height if y >= height else y
    cv2.rectangle(picture, (x, top), (x + width, top + height), color, cv2.FILLED)
    cv2.putText(picture, text, (x + 3 * line, top + 2 * line + text_height), FONT, scale, WHITE, stroke, cv2.LINE_AA)


def face_at(x: float, y: float, boxes: Sequence[Box], scale: float) -> int | None:
    """The number of the smallest box around this point of the picture."""
    inside = [
        ((box[2] - box[0]) * (box[3] - box[1]), number)
        for number, box in enumerate(boxes, 1)
        if box[0] * scale <= x <= box[2] * scale and box[1] * scale <= y <= box[3] * scale
    ]
    return min(inside)[1] if inside else None
