"""How finely a JPEG file was quantized, on the scale of the encoder that writes ours."""

from __future__ import annotations

import functools
import io

from PIL import Image


def jpeg_quality(picture: Image.Image) -> int | None:
    """The lowest quality of the IJG's scale, 1 to 100, that keeps as much as this JPEG or MPO file; None for others.

    By the sums of the quantization tables of brightness and color: other programs' scales have other tables.
    """
    tables = getattr(picture, "quantization", None)
    if not tables or picture.format not in ("JPEG", "MPO"):
        return None
    sums = [sum(tables[number]) for number in sorted(tables)[:2]]
    return next((quality for quality in range(1, 101) if _at_least_as_fine(quality, sums)), 100)


def _at_least_as_fine(quality: int, sums: list[int]) -> bool:
    return all(ours <= theirs for ours, theirs in zip(_sums_at(quality), sums, strict=False))


@functools.cache
def _sums_at(quality: int) -> tuple[int, ...]:
    with io.BytesIO() as file:
        Image.new("RGB", (1, 1)).save(file, "JPEG", quality=quality)
        tables: dict[int, list[int]] = Image.open(file).quantization  # type: ignore[attr-defined]
    return tuple(sum(tables[number]) for number in sorted(tables))
