"""Contact sheets of the private part: before, after, and their difference ten times enlarged."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from deid.audit.sets import FaceLine
from deid.errors import ImageError
from deid.images.difference import AMPLIFICATION, amplified_difference
from deid.images.photo import read_photo

NAMES = frozenset({"worst-looking.png", "riskiest.png"})
SHOWN = 10
SIDE = 160  # pixels of a picture on a sheet
ROOM = 0.3  # around the face's box, as a share of its longer side


def contact_sheets(faces: Sequence[FaceLine]) -> dict[str, bytes]:
    """File name → PNG: the ten faces that differ most from their originals, and the ten riskiest ones.

    Riskiest are those that keep most of their similarity to the original, by the recognizer that keeps most.
    """
    worst = sorted(faces, key=lambda face: face.values["ssim"])[:SHOWN]
    riskiest = sorted(faces, key=lambda face: -_largest_similarity(face))[:SHOWN]
    sheets = {"worst-looking.png": worst, "riskiest.png": riskiest}
    return {name: _sheet(chosen) for name, chosen in sheets.items() if chosen}


def _largest_similarity(face: FaceLine) -> float:
    return max((value for name, value in face.values.items() if name.endswith(": similarity")), default=0.0)


def _sheet(faces: Sequence[FaceLine]) -> bytes:
    line = SIDE + 20
    sheet = Image.new("RGB", (3 * SIDE + 40, line * len(faces) + 20), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(("before", "after", f"{AMPLIFICATION} x difference")):
        draw.text((10 + column * (SIDE + 10), 4), title, fill="black")
    for row, face in enumerate(faces):
        top = 20 + row * line
        for column, picture in enumerate(_pictures(face)):
            sheet.paste(picture, (10 + column * (SIDE + 10), top))
        text = f"{face.id}, face {face.number}: SSIM {face.values['ssim']:.3f}, {_largest_similarity(face):.2f} alike"
        draw.text((10, top + SIDE + 2), text, fill="black")
    with io.BytesIO() as file:
        sheet.save(file, "PNG")
        return file.getvalue()


def _pictures(face: FaceLine) -> list[Image.Image]:
    """Before, after and difference of one face; none if a file has vanished meanwhile."""
    try:
        original, published = (Image.fromarray(read_photo(path).pixels) for path in (face.original, face.published))
    except ImageError:
        return []
    x0, y0, x1, y1 = face.box
    room = ROOM * max(x1 - x0, y1 - y0)
    box = (x0 - room, y0 - room, x1 + room, y1 + room)
    # A published photo may have another size than its original.
    scale = published.width / original.width
    before, after = _cut(original, box), _cut(published, tuple(scale * value for value in box))
    difference = amplified_difference(np.asarray(before), np.asarray(after))
    return [before, after, Image.fromarray(difference)]


def _cut(picture: Image.Image, box: tuple[float, ...]) -> Image.Image:
    inside = _inside(box, picture.size)
    return picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=inside)


def _inside(box: tuple[float, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    x0, y0 = (min(max(0.0, value), limit - 1) for value, limit in zip(box[:2], size, strict=True))
    x1, y1 = (max(min(value, limit), low + 1) for value, limit, low in zip(box[2:], size, (x0, y0), strict=True))
    return x0, y0, x1, y1
