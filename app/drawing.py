"""Numbered boxes on a photo, and which of them was clicked."""

from collections.abc import Collection, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

CHOSEN, LEFT_OUT = "#15803d", "#6b7280"
Box = tuple[float, float, float, float]


def with_boxes(preview: Path, boxes: Sequence[Box], scale: float, chosen: Collection[int]) -> Image.Image:
    """The picture with a box and a number on each face: thick green if chosen (numbers from 1), thin gray if not.

    scale: pixels of the picture a pixel of the boxes.
    """
    with Image.open(preview) as opened:
        picture = opened.convert("RGB")
    draw = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 250))
    font = ImageFont.load_default(max(16, 6 * line))
    for number, box in enumerate(boxes, 1):
        color, width = (CHOSEN, line) if number in chosen else (LEFT_OUT, max(1, line // 2))
        x0, y0, x1, y1 = (value * scale for value in box)
        draw.rectangle((x0, y0, x1, y1), outline="white", width=width + 2)
        draw.rectangle((x0, y0, x1, y1), outline=color, width=width)
        left, top, right, bottom = draw.textbbox((0, 0), str(number), font=font)
        tall, wide = bottom - top + 4 * line, right - left + 6 * line
        at = y0 - tall if y0 >= tall else y0
        draw.rectangle((x0, at, x0 + wide, at + tall), fill=color)
        draw.text((x0 + 3 * line - left, at + 2 * line - top), str(number), fill="white", font=font)
    return picture


def face_at(x: float, y: float, boxes: Sequence[Box], scale: float) -> int | None:
    """The number of the smallest box around this point of the picture."""
    inside = [
        ((box[2] - box[0]) * (box[3] - box[1]), number)
        for number, box in enumerate(boxes, 1)
        if box[0] * scale <= x <= box[2] * scale and box[1] * scale <= y <= box[3] * scale
    ]
    return min(inside)[1] if inside else None
