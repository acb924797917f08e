"""What both the command line and the page say of recognizers, and of how far an attack is."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deid.types import FaceResult, Opinion

if TYPE_CHECKING:  # it loads numpy
    from deid.protection.progress import Step

CLASSES = {
    "surrogate": "attacked",
    "related": "not attacked, related to what was",
    "independent": "not attacked, independent",
    "unknown": "not attacked, of unknown origin",
}
MOST_NUMBERS = 4  # of faces in a line


def listed(names: Sequence[str]) -> str:
    """«a», «a and b», «a, b and c»."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def classed(opinions: Sequence[Opinion], *, of: Iterable[Opinion]) -> str:
    """«a, b (attacked), c (not attacked, independent)»; names alone where none was attacked.

    of: all that were asked.
    """
    is_attack = any(opinion.kind == "surrogate" for opinion in of)
    groups: dict[str, list[str]] = {}
    for opinion in opinions:
        groups.setdefault(opinion.kind, []).append(opinion.name)
    kinds = [kind for kind in CLASSES if kind in groups]
    return ", ".join(", ".join(groups[kind]) + (f" ({CLASSES[kind]})" if is_attack else "") for kind in kinds)


def counted(faces: Sequence[FaceResult]) -> str:
    """How many of those that were asked recognize none of these faces any more, and who still does; empty for nobody.

    «no longer matched by 4 of 5 recognizers asked; facenet-casia still matches», of several faces «facenet-casia
    (1 of 2 faces) still matches».
    """
    told = [face.recognizers for face in faces if face.recognizers]
    opinions = [opinion for of_face in told for opinion in of_face]
    asked = list(dict.fromkeys(opinion.name for opinion in opinions))
    if not asked:
        return ""
    matching = {opinion.name for opinion in opinions if opinion.matches}
    first = {opinion.name for opinion in opinions if opinion.rank_after == 1} - matching
    unmeasured = {opinion.name for opinion in opinions if opinion.matches is None} - matching - first
    held = len(asked) - len(matching | first | unmeasured)
    if held == len(asked):
        return f"no longer matched by {asked[0] if held == 1 else f'any of {held} recognizers asked'}"

    def named(name: str) -> str:
        if len(told) == 1:
            return name
        faces_of = sum(opinion.name == name and opinion.recognizes for opinion in opinions)
        return f"{name} ({faces_of} of {len(told)} faces)"

    still = [
        f"{listed([named(name) for name in asked if name in names])} still {verb if len(names) == 1 else verbs}"
        for names, verb, verbs in ((matching, "matches", "match"), (first, "puts them first", "put them first"))
        if names
    ]
    if not held and matching == set(asked) and len(told) == 1:
        count = "both" if len(asked) == 2 else f"all {len(asked)}"
        return f"still matched by {asked[0] if len(asked) == 1 else f'{count} recognizers asked'}"
    if not held:
        return listed(still) or f"no longer put first by {listed(asked)}"
    return "; ".join(filter(None, (f"no longer matched by {held} of {len(asked)} recognizers asked", listed(still))))


def recognizer_line(opinion: Opinion, ranks: str, *, of: Iterable[Opinion]) -> str:
    """«a (attacked): no longer matches, rank 1 → 102 of 1,001». ranks: its own; of: all asked about the face."""
    says = {True: "still matches", False: "no longer matches", None: ""}[opinion.matches]
    if opinion.rank_after == 1:
        joined = " and " if opinion.matches else " but " if says else ""
        says += f"{joined}{'still ' if opinion.rank_before == 1 else ''}puts them first"
    return f"{classed([opinion], of=of)}: {says or 'no longer puts them first'}, {ranks}"


def faces_line(name: str, faces: Sequence[FaceResult]) -> str:
    """«a (attacked): still matches 1 of 3 faces, puts 0 of 3 first»: what one recognizer makes of several faces."""
    asked = [(opinion, face) for face in faces for opinion in face.recognizers if opinion.name == name]
    opinions = [opinion for opinion, _ in asked]
    who = classed(opinions[:1], of=asked[0][1].recognizers)
    compared = [opinion.matches for opinion in opinions if opinion.matches is not None]
    parts = [f"still matches {compared.count(True)} of {len(compared)} faces"] if compared else []
    first = sum(opinion.rank_after == 1 for opinion in opinions)
    return f"{who}: {', '.join([*parts, f'puts {first} of {len(opinions)} first'])}"


def step_line(step: "Step", names: Sequence[str]) -> str:
    """How an attack goes. names: of the chosen faces, in the order of the step's ranks.

    «face 3 (now first) · round 2, step 3 of 20 · at most 6 s left in it».
    """
    shown = step.working or range(len(step.ranks))
    faces = [names[face] + _place(step.ranks[face]) for face in shown]
    if len(faces) > MOST_NUMBERS:
        faces = [*faces[: MOST_NUMBERS - 1], f"{len(faces) - MOST_NUMBERS + 1} more"]
    parts = [listed(faces)]
    if len(names) > 1:
        parts.append(f"{step.settled} of {len(names)} faces settled")
    if step.pace is None:
        return " · ".join([*parts, f"round {step.round}, looking at the saved file"])
    parts.append(f"round {step.round}, step {step.pace.step} of {step.pace.steps}")
    if step.pace.left is not None:
        parts.append(f"at most {duration(step.pace.left)} left in this round")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """For people: the nearest minute, or seconds of a short one."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _place(rank: int | None) -> str:
    return "" if rank is None else f" (now at rank {rank:,})"
