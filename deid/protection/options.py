"""Do the options make sense, and which faces do they choose?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deid.anonymity.groups import MAX_K
from deid.errors import UsageError
from deid.faces.face import Face
from deid.methods import ATTACKS_OF, METHODS, STRONGEST, WEAKEST, is_obfuscation, methods_of
from deid.protection.profiles import PROFILES
from deid.types import Options

MOST_DIGITS = 6  # of a face's number


def check_options(options: Options) -> None:
    """Raises UsageError for options that make no sense, before anything is loaded."""
    attacks, obfuscations = (" and ".join(methods_of(kind)) for kind in ("attack", "obfuscation"))
    blur_size, hides = options.blur_size, is_obfuscation(options.method)
    if not 1 <= options.k_level <= MAX_K:
        raise UsageError(f"K must be between 1 and {MAX_K}, not {options.k_level}")
    if options.method not in METHODS:
        raise UsageError(f"no method called {options.method}: there are {', '.join(METHODS)}")
    if options.profile not in PROFILES:
        raise UsageError(f"no profile called {options.profile}: there are {', '.join(PROFILES)}")
    if not hides and options.method not in ATTACKS_OF[options.profile]:
        raise UsageError(
            f"{options.method} cannot reach what the profile {options.profile} asks for: "
            f"{' and '.join(ATTACKS_OF[options.profile])} can"
        )
    if blur_size is not None and not hides:
        raise UsageError(f"blur-size is for {obfuscations}, not for {options.method}")
    if blur_size is not None and not WEAKEST <= blur_size <= STRONGEST:
        raise UsageError(f"blur-size must be between {WEAKEST:g} and {STRONGEST:g}, not {blur_size:g}")
    if options.fallback is not None and not is_obfuscation(options.fallback):
        raise UsageError(f"no fallback called {options.fallback}: there are {', '.join(methods_of('obfuscation'))}")
    if options.fallback is not None and hides:
        raise UsageError(f"a fallback is for {attacks}, not for {options.method}")
    if not 0 <= options.strength <= 1:
        raise UsageError(f"strength must be between 0 and 1, not {options.strength:g}")
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise UsageError(f"quality must be between 1 and 100, not {options.quality}")
    if options.keep_position and not options.keep_metadata:
        raise UsageError("keep-position needs keep-metadata: the position is part of the metadata")
    if not 0 < options.sure <= 1:
        raise UsageError(f"sure must be above 0 and at most 1, not {options.sure:g}")
    _which(options.faces)
    _numbers_in(options.excluded)
    hand_boxes(options)


def chosen_faces(options: Options, faces: Sequence[Face]) -> list[int]:
    """Indices of the faces of a photo that the options ask for, without possible ones and boxes.

    Raises UsageError for a number that is not there, and where nothing is left to protect.
    """
    which, excluded = _which(options.faces), _numbers_in(options.excluded)
    for number in (*which.numbers, *excluded):
        if number > len(faces):
            raise UsageError(f"there is no face {number}: the photo has {len(faces)}")
    if which.group == "all":
        chosen = set(range(len(faces)))
    elif which.group == "largest" and faces:
        chosen = {max(range(len(faces)), key=lambda i: faces[i].area)}
    else:
        chosen = {number - 1 for number in which.numbers}
    chosen -= {number - 1 for number in excluded}
    if excluded and not chosen and not which.possible and not options.boxes:
        raise UsageError(f"leaving out {options.excluded} leaves no face to protect")
    return sorted(chosen)


def chosen_possible(options: Options, possible: Sequence[Face]) -> list[int]:
    """Indices of the possible faces that the options take in. Raises UsageError for a number that is not there."""
    numbers = _which(options.faces).possible
    for number in numbers:
        if number > len(possible):
            raise UsageError(f"there is no possible face ?{number}: the photo has {len(possible)}")
    return sorted({number - 1 for number in numbers})


@dataclass(frozen=True)
class HandBox:
    """A face's box as somebody drew it: (x0, y0, x1, y1) in pixels of the upright photo.

    turn: quarters by which `numpy.rot90` turns the photo to make the face upright; None: not told.
    """

    box: tuple[float, float, float, float]
    turn: int | None


def hand_boxes(options: Options) -> list[HandBox]:
    """Raises UsageError for one that is not written as a box."""
    return [_hand_box(text) for text in options.boxes]


def is_of_one_photo(options: Options) -> bool:
    """Whether the options point at places that no other photo has."""
    return bool(options.boxes or _which(options.faces).possible)


def _hand_box(text: str) -> HandBox:
    corners, at, degrees = text.partition("@")
    try:
        x0, y0, x1, y1 = (float(part) for part in corners.split(","))
        turn = {"0": 0, "90": 1, "180": 2, "270": 3}[degrees.strip()] if at else None
    except (ValueError, KeyError):
        raise UsageError(f"a box is x0,y0,x1,y1, perhaps with @90, @180 or @270, not {text}") from None
    if not (-math.inf < x0 < x1 < math.inf and -math.inf < y0 < y1 < math.inf):
        raise UsageError(f"a box goes from its left upper corner to its right lower one, not {text}")
    return HandBox((x0, y0, x1, y1), turn)


@dataclass(frozen=True)
class _Which:
    """`Options.faces`, read. group: all, largest, or empty; numbers and possible: one by one, from 1."""

    group: str
    numbers: tuple[int, ...]
    possible: tuple[int, ...]


def _which(text: str) -> _Which:
    parts = [part.strip() for part in text.split(",")]
    groups = [part for part in parts if part in ("all", "largest")]
    possible = [part[1:] for part in parts if part.startswith("?")]
    numbers = [part for part in parts if part not in groups and not part.startswith("?")]
    if len(groups) > 1 or (groups and numbers) or not all(map(_is_number, (*numbers, *possible))):
        raise UsageError(f"faces must be all, largest, numbers such as 1,3, or possible ones such as ?1, not {text}")
    return _Which(groups[0] if groups else "", tuple(map(int, numbers)), tuple(map(int, possible)))


def _numbers_in(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(map(_is_number, parts)):
        raise UsageError(f"faces to leave out are numbers such as 1,3, not {text}")
    return [int(part) for part in parts]


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= MOST_DIGITS and int(text) > 0
