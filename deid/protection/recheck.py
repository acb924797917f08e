"""A saved file, looked at again: at no more of it than it takes to go on attacking, and at last at all of it."""

from collections.abc import Sequence
from typing import Any

from deid.images.photo import Photo
from deid.protection.criteria import holds
from deid.protection.task import PhotoTask
from deid.protection.verification import FaceCheck, FacesSeen, Observation, verify


def recheck(
    task: PhotoTask, saved: Photo, open_rows: Sequence[int], before: Sequence[FaceCheck]
) -> tuple[list[FaceCheck], bool]:
    """The checks of a file, and whether they are all of them: no more is looked at than it takes to go on attacking.

    open_rows: of the faces those that were attacked since the last file was looked at.
    before: the checks of that file, empty for the first one. Those of faces that are not looked at again stay.
    """
    checks, everyone = dict(enumerate(before)), range(len(task.found))
    first = open_rows if before else everyone

    def all_failed(seen: FacesSeen) -> bool:
        of_face = dict(zip(first, seen, strict=True))
        return all(failed_in(task, row, of_face[row]) for row in open_rows)

    def look(rows: Sequence[int], **how: Any) -> None:
        checks.update(zip(rows, verify(task, saved, rows, **how) if rows else (), strict=True))

    look(first, **({"thorough": False} if task.profile.exact else {"given_up": all_failed}))
    failed = [bool(failed_in(task, row, checks[row].observations)) for row in open_rows]
    if any(failed):
        is_seen = not task.profile.exact and not all(failed) and len(first) == len(everyone)
    else:
        look(everyone if task.profile.exact else [row for row in everyone if row not in first])
        is_seen = True
    return [checks[row] for row in everyone], is_seen


def failed_in(task: PhotoTask, row: int, observations: Sequence[Observation]) -> list[Observation]:
    """Those in which this face does not hold."""
    return [seen for seen in observations if not holds(seen, task.ks[row], task.profile)]
