"""Do the options make sense, and which faces do they choose?"""

import math
from collections.abc import Sequence

from deid.anonymity.groups import MAX_K
from deid.errors import UsageError
from deid.faces.face import Face
from deid.faces.obfuscation import STRONGEST, WEAKEST
from deid.methods import METHODS, is_obfuscation, methods_of
from deid.protection.profiles import PROFILES
from deid.types import Options


def check_options(options: Options) -> None:
    """Raises UsageError for options that make no sense, before anything is loaded."""
    attacks, obfuscations = (" and ".join(methods_of(kind)) for kind in ("attack", "obfuscation"))
    strength, visibility = options.strength, options.max_visibility
    if not 1 <= options.k_level <= MAX_K:
        raise UsageError(f"K must be between 1 and {MAX_K}, not {options.k_level}")
    if options.method not in METHODS:
        raise UsageError(f"no method called {options.method}: there are {', '.join(METHODS)}")
    if strength is not None and not is_obfuscation(options.method):
        raise UsageError(f"strength is for {obfuscations}, not for {options.method}")
    if options.fallback is not None and not is_obfuscation(options.fallback):
        raise UsageError(f"no fallback called {options.fallback}: there are {', '.join(methods_of('obfuscation'))}")
    if options.fallback is not None and is_obfuscation(options.method):
        raise UsageError(f"a fallback is for {attacks}, not for {options.method}")
    if visibility is not None and is_obfuscation(options.method):
        raise UsageError(f"max-visibility is for {attacks}, not for {options.method}")
    if visibility is not None and not 0 < visibility < math.inf:
        raise UsageError(f"max-visibility must be above 0, not {visibility:g}")
    if strength is not None and not WEAKEST <= strength <= STRONGEST:
        raise UsageError(f"strength must be between {WEAKEST:g} and {STRONGEST:g}, not {strength:g}")
    if options.profile not in PROFILES:
        raise UsageError(f"no profile called {options.profile}: there are {', '.join(PROFILES)}")
    if not 1 <= options.quality <= 100:
        raise UsageError(f"quality must be between 1 and 100, not {options.quality}")
    if options.keep_position and not options.keep_metadata:
        raise UsageError("keep-position needs keep-metadata: the position is part of the metadata")
    _numbers(options.faces)


def chosen_faces(which: str, faces: Sequence[Face]) -> list[int]:
    """Indices of the faces of a photo that `Options.faces` asks for.

    Raises UsageError for a number that is not there.
    """
    if which == "all":
        return list(range(len(faces)))
    if which == "largest":
        return [max(range(len(faces)), key=lambda i: faces[i].area)] if faces else []
    numbers = _numbers(which)
    if max(numbers) > len(faces):
        raise UsageError(f"there is no face {max(numbers)}: the photo has {len(faces)}")
    return sorted({number - 1 for number in numbers})


def _numbers(which: str) -> list[int]:
    """Of the faces named one by one, from 1; none for «all» and «largest»."""
    if which in ("all", "largest"):
        return []
    parts = which.split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    if len(numbers) != len(parts) or min(numbers) < 1:
        raise UsageError(f"faces must be all, largest or numbers such as 1,3, not {which}")
    return numbers
