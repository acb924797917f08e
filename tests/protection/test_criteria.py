"""When a face holds, by ranks and matches that are written down here."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from deid.protection.attempt import Attempt, score
from deid.protection.criteria import holds, is_exact, shortcoming, stop_of
from deid.protection.profiles import PROFILES
from deid.protection.verification import FaceCheck, Observation

NOTHING = torch.zeros(0)
HANDLINGS = list(PROFILES["stranger"].handlings)


def seen(
    *ranks: int, handling: str = HANDLINGS[0], matching: Sequence[bool] = (), look: str = "", lead: float = 1.0
) -> Observation:
    """At these ranks, of a surrogate each."""
    matching = tuple(matching) or (False,) * len(ranks)
    of_each = tuple((rank,) for rank in ranks)
    return Observation(handling, "", look, np.zeros((5, 2)), NOTHING, of_each, ((0.0,),) * len(ranks), matching, lead)


def check(*ranks: int) -> FaceCheck:
    """At one of these ranks of one surrogate after each handling, as published first."""
    observations = [seen(rank, handling=name) for name, rank in zip(HANDLINGS, ranks, strict=False)]
    return FaceCheck(tuple(observations), NOTHING)


def test_the_best_attempt_is_protected_then_exact_then_nearly_holds() -> None:
    scores = [
        score(Attempt(b"", (check(*ranks),), (1,), ((),), NOTHING, NOTHING), [3], PROFILES["stranger"])
        for ranks in ((1, 1, 3), (3, 1, 3), (3, 2, 2), (3, 3, 3))
    ]
    assert scores == sorted(set(scores))


def test_what_falls_short_is_told_with_the_handling_after_which_it_does() -> None:
    assert shortcoming(check(3, 3, 3), PROFILES["stranger"]) == ""
    assert shortcoming(check(3, 1, 3), PROFILES["stranger"]) == f"{HANDLINGS[1]}, it is still recognized"
    matched = FaceCheck((seen(3, matching=[True]),), NOTHING)
    assert shortcoming(matched, PROFILES["stranger"]) == f"{HANDLINGS[0]}, it still matches one to one"
    assert shortcoming(matched, PROFILES["paper"]) == "", "which asks for ranks alone"


def test_exact_is_at_k_after_every_handling() -> None:
    assert is_exact(check(3, 3), 3)
    assert not is_exact(check(3, 4), 3)


@pytest.mark.parametrize(
    ("profile", "observation", "as_it_should_be"),
    [
        ("stranger", seen(3), True),
        ("stranger", seen(2), False),
        ("stranger", seen(700), True),  # at k or anywhere below
        ("stranger", seen(4, handling=HANDLINGS[1]), True),
        ("stranger", seen(2, handling=HANDLINGS[1]), False),
        ("stranger", seen(3, 9), True),
        ("stranger", seen(3, 2), False),  # every surrogate counts
        ("stranger", seen(3, matching=[True]), False),
        ("stranger", seen(3, 9, matching=[False, True]), False),
        ("stranger", seen(3, handling=HANDLINGS[1], matching=[True]), False),
        ("stranger", seen(3, look="MTCNN", lead=0.2), True),
        ("stranger", seen(3, look="MTCNN", lead=0.1), False),  # the next save may take that away
        ("stranger", seen(3, lead=0.1), True),  # where this program finds it, the rank is enough
        ("stranger", seen(2, look="MTCNN"), False),
        ("stranger", seen(3, look="MTCNN", matching=[True]), False),
        ("paper", seen(3), True),
        ("paper", seen(4), False),  # exactly at k as published
        ("paper", seen(2), False),
        ("paper", seen(3, 4), False),
        ("paper", seen(3, matching=[True]), True),
        ("paper", seen(4, handling=HANDLINGS[1]), True),  # handled, anywhere but first
        ("paper", seen(1, handling=HANDLINGS[1]), False),
        ("paper", seen(2, look="MTCNN"), True),  # exactly at k for this program's own search
        ("paper", seen(1, look="MTCNN"), False),
        ("paper", seen(2, look="MTCNN", lead=0.5), True),
        ("paper", seen(2, look="MTCNN", lead=0.3), False),
    ],
)
def test_which_observations_hold(profile: str, observation: Observation, as_it_should_be: bool) -> None:
    assert holds(observation, 3, PROFILES[profile]) is as_it_should_be


def test_an_attack_stops_where_every_view_is_as_its_profile_wants_it() -> None:
    """Scores of two views of one face, the true identity first, one of two others above it by 1."""
    scores = torch.tensor([[[-1.0, 0.0, -2.0, -9.0], [-1.0, 0.0, 0.0, -9.0]]])
    groups, face = torch.tensor([2]), torch.zeros(1, 1, 1, 1)
    everywhere, first = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    assert not stop_of(groups, 0.5, everywhere)(face, scores)
    assert stop_of(groups, 0.5, first)(face, scores)
    assert stop_of(groups, 0.5, None)(face, scores)
    assert not stop_of(groups, 1.5, None)(face, scores), "the margin"
    assert not stop_of(torch.tensor([3]), 0.5, None)(face, scores), "at rank 2 on the first view"
    assert stop_of(groups, 0.5, first)(face, scores + 2), "an order alone, wherever it lies"
    ahead = scores.index_fill(2, torch.tensor([0]), 1.0)
    assert not stop_of(groups, 0.5, first)(face, torch.cat([scores[:, :1], ahead[:, 1:]], 1)), "first on no view"
