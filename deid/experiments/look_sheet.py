"""Pages of faces to look at: a row a face, clean and then by each profile, at 100 % and enlarged."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FACES = 6  # on a page
LARGE_FACES = 2
LARGE = 300  # pixels: higher faces are shown at 100 % alone
ROOM, CLOSE_ROOM = 0.5, 0.15  # around the face's box, as shares of its longer side; close: enlarged, or large
ENLARGED = 3
GAP, CAPTION_HEIGHT, TEXT = 8, 40, 14  # pixels: between pictures, above a panel, and of the letters
QUALITY = 90

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Panel:
    """One version of a face. caption: at most two lines; pictures: RGB, side by side; large: shown at 100 % alone."""

    caption: str
    pictures: tuple[Image.Image, ...]
    large: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        gaps = GAP * (len(self.pictures) - 1)
        return sum(p.width for p in self.pictures) + gaps, max(p.height for p in self.pictures)


def panel_of(caption: str, pixels: np.ndarray, box: Box) -> Panel:
    """A face in its photo, uint8 (H, W, 3) or (H, W), cut out with its surroundings, and enlarged beside it.

    box: (x0, y0, x1, y1) of the clean face, so that all versions are cut alike.
    """
    picture = Image.fromarray(pixels).convert("RGB")
    close = picture.crop(_around(box, CLOSE_ROOM, picture.size))
    if box[3] - box[1] > LARGE:
        return Panel(caption, (close,), large=True)
    enlarged = close.resize((ENLARGED * close.width, ENLARGED * close.height), Image.Resampling.LANCZOS)
    return Panel(caption, (picture.crop(_around(box, ROOM, picture.size)), enlarged))


def pages_of(rows: Sequence[Sequence[Panel]]) -> list[bytes]:
    """JPEG files. rows: of each face its panels, as many in each; large faces come on pages of their own."""
    large, others = [[row for row in rows if row[0].large is is_large] for is_large in (True, False)]
    pages = [others[at : at + FACES] for at in range(0, len(others), FACES)]
    pages += [large[at : at + LARGE_FACES] for at in range(0, len(large), LARGE_FACES)]
    return [_as_jpeg(page_of(page)) for page in pages]


def page_of(rows: Sequence[Sequence[Panel]]) -> Image.Image:
    """All rows below each other, with gaps around; a column is as wide as its widest panel, a row as high as needed."""
    font = ImageFont.load_default(TEXT)
    widths = [max(_width(panel, font) for panel in column) for column in zip(*rows, strict=True)]
    heights = [CAPTION_HEIGHT + max(panel.size[1] for panel in row) for row in rows]
    page = Image.new("RGB", (GAP + sum(widths) + GAP * len(widths), GAP + sum(heights) + GAP * len(heights)), "white")
    draw = ImageDraw.Draw(page)
    top = GAP
    for row, height in zip(rows, heights, strict=True):
        left = GAP
        for panel, width in zip(row, widths, strict=True):
            draw.multiline_text((left, top), panel.caption, fill="black", font=font)
            at = left
            for picture in panel.pictures:
                page.paste(picture, (at, top + CAPTION_HEIGHT))
                at += picture.width + GAP
            left += width + GAP
        top += height + GAP
    return page


def _width(panel: Panel, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    """Of its pictures, or of its caption where that is wider."""
    return max(panel.size[0], *(round(font.getlength(line)) for line in panel.caption.splitlines()))


def _around(box: Box, room: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Whole pixels of a picture of (width, height) that hold a box and its surroundings, as far as there are any."""
    x0, y0, x1, y1 = box
    beyond = room * max(x1 - x0, y1 - y0)
    left, top = max(0, round(x0 - beyond)), max(0, round(y0 - beyond))
    return left, top, min(size[0], round(x1 + beyond)), min(size[1], round(y1 + beyond))


def _as_jpeg(page: Image.Image) -> bytes:
    with io.BytesIO() as file:
        page.save(file, "JPEG", quality=QUALITY, subsampling=0)
        return file.getvalue()
