"""What an attempt at a photo came to, and which of two is the better one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from deid.protection.criteria import holds, is_exact, shortcoming
from deid.protection.profiles import Profile
from deid.protection.verification import FaceCheck


@dataclass(frozen=True, eq=False)
class Attempt:
    """A photo as it could be published. N is the number of chosen faces.

    data: the encoded file.
    checks: of each face, from that file.
    evaluations: gradient evaluations of each face, in all rounds.
    attacks: what perturbed each face, by name and in that order.
    clean, noise: the aligned faces and their perturbations, (N, 1, S, S).
    hidden: the faces, by their rows, that were blurred or pixelated instead, and how strongly.
    """

    data: bytes
    checks: tuple[FaceCheck, ...]
    evaluations: tuple[int, ...]
    attacks: tuple[tuple[str, ...], ...]
    clean: Tensor
    noise: Tensor
    hidden: Mapping[int, float] = field(default_factory=dict)


def score(attempt: Attempt, ks: Sequence[int], profile: Profile) -> tuple[int, int, int]:
    """Protected faces count first, exact ones next, then observations that hold by themselves."""
    of_faces = list(zip(attempt.checks, ks, strict=True))
    protected = sum(not shortcoming(check, profile) for check, _ in of_faces)
    exact = sum(is_exact(check, k) for check, k in of_faces)
    holding = sum(holds(seen, k, profile) for check, k in of_faces for seen in check.observations)
    return protected, exact, holding
