"""What can be chosen in a photo: found faces, possible faces, and boxes that the visitor drew by hand.

Each has a key: "2" is the second found face, "?1" the first possible one, and a drawn box is its own key, written as in
`Options.boxes`.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from deid.errors import UsageError
from deid.faces.face import overlap
from deid.types import Options

if TYPE_CHECKING:
    from .handlers import FoundPhoto

Box = tuple[float, float, float, float]
Point = tuple[float, float]
SAME_PLACE = 0.4  # intersection over union from which on a drawn box is around a face that was found


def places(photo: "FoundPhoto") -> dict[str, Box]:
    """Key → box in pixels of the photo, in the order in which a result has its faces."""
    return {
        **{str(number): box for number, box in enumerate(photo.boxes, 1)},
        **{f"?{number}": box for number, box in enumerate(photo.possible, 1)},
        **{drawn: _box_of(drawn) for drawn in photo.drawn},
    }


def is_possible(key: str) -> bool:
    return key.startswith("?")


def mark(photo: "FoundPhoto", key: str) -> str:
    """What stands on its frame: «1», «?1», «drawn 1»."""
    return f"drawn {photo.drawn.index(key) + 1}" if key in photo.drawn else key


def name(photo: "FoundPhoto", key: str) -> str:
    """«face 1», «possible face ?1», «drawn 1»."""
    kind = "possible face " if is_possible(key) else "" if key in photo.drawn else "face "
    return kind + mark(photo, key)


def in_order(photo: "FoundPhoto", keys: Collection[str]) -> list[str]:
    """Those of the keys that the photo has, in the order of `places`."""
    return [key for key in places(photo) if key in keys]


def left_possible(photo: "FoundPhoto", keys: Collection[str]) -> int:
    """How many possible faces a choice leaves as they are."""
    return sum(is_possible(key) and key not in keys for key in places(photo))


def asked_for(photo: "FoundPhoto", keys: Collection[str], options: Options) -> Options:
    """The options with this choice of the photo's faces."""
    chosen = in_order(photo, keys)
    # All but those left out: no list of numbers says that nothing but a drawn box is to be protected.
    faces = ["all", *filter(is_possible, chosen)]
    excluded = [str(number) for number in range(1, len(photo.boxes) + 1) if str(number) not in chosen]
    boxes = tuple(key for key in chosen if key in photo.drawn)
    return replace(options, faces=",".join(faces), excluded=",".join(excluded), boxes=boxes)


def in_result(photo: "FoundPhoto", keys: Collection[str]) -> list[str]:
    """Keys of the faces that a result lists: every found one, and what else is chosen."""
    return [key for key in places(photo) if key.isdecimal() or key in keys]


def with_drawn(photo: "FoundPhoto", corners: tuple[Point, Point], turn: str) -> tuple["FoundPhoto", str]:
    """The photo with one more box, and the box's key.

    corners: any two opposite ones, in pixels of the photo. turn: as it stands behind a box in `Options.boxes`.
    Raises UsageError for a box that is too small, or not in the photo.
    """
    from deid.protection.choice import SMALLEST_BOX

    (ax, ay), (bx, by) = corners
    width, height = photo.size
    x0, x1 = (round(min(max(x, 0), width)) for x in sorted((ax, bx)))
    y0, y1 = (round(min(max(y, 0), height)) for y in sorted((ay, by)))
    if x1 - x0 < SMALLEST_BOX or y1 - y0 < SMALLEST_BOX:
        raise UsageError(f"A face's box must be in the photo, at least {SMALLEST_BOX} pixels wide and high.")
    key = f"{x0},{y0},{x1},{y1}{turn}"
    return (photo if key in photo.drawn else replace(photo, drawn=(*photo.drawn, key))), key


def without_drawn(photo: "FoundPhoto", keys: Collection[str]) -> "FoundPhoto":
    """The photo without those of its drawn boxes that are not among the keys; the same one where all are."""
    kept = tuple(drawn for drawn in photo.drawn if drawn in keys)
    return photo if kept == photo.drawn else replace(photo, drawn=kept)


def corners_in(text: str) -> tuple[Point, Point]:
    """Two corners from «left, top, right, bottom», in pixels of the photo. Raises UsageError for anything else."""
    try:
        x0, y0, x1, y1 = (int(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError("A box is four whole numbers: left, top, right, bottom.") from None
    return (x0, y0), (x1, y1)


def same_place(photo: "FoundPhoto", key: str) -> str | None:
    """The key of another face at the place of this one, if there is one."""
    boxes = places(photo)
    shared = {other: overlap(boxes[key], box) for other, box in boxes.items() if other != key}
    best = max(shared, key=shared.__getitem__, default=None)
    return best if best is not None and shared[best] >= SAME_PLACE else None


def _box_of(drawn: str) -> Box:
    x0, y0, x1, y1 = map(float, drawn.partition("@")[0].split(","))
    return x0, y0, x1, y1
