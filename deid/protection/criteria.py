"""When a face holds: in the attack's eyes, in the saved file, and in the record."""

import torch
from torch import Tensor

from deid.anonymity.conditions import Criterion, rank_is, rank_is_at_least
from deid.images.handlings import AS_PUBLISHED
from deid.protection.profiles import Profile
from deid.protection.verification import FaceCheck, Observation


def shortcoming(check: FaceCheck, profile: Profile) -> str:
    """After which handling, and to whom, a face is still first or, where the profile asks for that, still matches.

    In words for the user; empty for a protected face.
    """
    if not check.upright:
        return "as it is aligned it does not look like a face the right way up, so nothing proves that it is protected"
    for seen in check.observations:
        version = f"{seen.handling}{seen.background}{f', found by {seen.look}' if seen.look else ''}"
        if seen.worst_rank == 1:
            return f"{version}, it is still recognized"
        if profile.unmatched and seen.matches:
            return f"{version}, it still matches one to one"
    return ""


def is_exact(check: FaceCheck, k: int) -> bool:
    """Exactly at rank k after every handling, under every enrollment, by the recognizer whose ranks are reported.

    As this program finds it: to others it may stand elsewhere, but not first.
    """
    return all(rank == k for seen in check.observations if not seen.look for rank in seen.ranks[0])


def holds(seen: Observation, k: int, profile: Profile) -> bool:
    """Whether a face is as it should be after a handling.

    Where another program sees it, somebody is to be ahead by a margin: the next save moves what it sees.
    """
    if profile.unmatched and seen.matches:
        return False
    if seen.look and seen.lead < profile.safety / 2:
        return False
    if not profile.exact:
        return seen.worst_rank >= k
    if not seen.look and seen.handling == AS_PUBLISHED:
        return all(rank == k for of_surrogate in seen.ranks for rank in of_surrogate)
    return seen.worst_rank > 1


def stop_of(groups: Tensor, margin: float, exact: Tensor | None) -> Criterion:
    """Where an attack on ranks may stop, on every view of a face.

    groups: (n,), k of each face.
    margin: in the units of `Surrogate.scores`.
    exact: the views, bool (n, V), on which the rank is to be k, and not only another than the first; None: no rank need
        be exact, and on every view it is to be k or more.
    """
    at_k = rank_is(groups, margin)
    at_least = rank_is_at_least(groups if exact is None else torch.full_like(groups, 2), margin)

    def criterion(faces: Tensor, scores: Tensor) -> Tensor:
        done = at_least(faces, scores)
        if exact is not None:  # a view that need not be exact is left out by standing in the first one's place
            done &= at_k(faces, scores.where(exact[:, :, None], scores[:, :1]))
        return done

    return criterion
