"""What a feature-level attack follows, with networks that only average regions of a real face."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.chain import FaceChain
from deid.faces.detect import detect_faces
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.protection.likeness_objective import (
    SURROGATES_A_STEP,
    LikenessGoal,
    likeness_goal,
    likeness_on_random_views,
)
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Timing
from deid.recognizers.gallery import Enrollment, build_gallery
from deid.recognizers.recognizer import Recognizer

TEMPLATE = replace(LIGHTCNN_TEMPLATE, channels=3)
CHOSEN = torch.tensor([0])


class Regions(nn.Module):
    """Means of 6 × 6 regions. seen: how often it was asked, and the last faces."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.last = torch.empty(0)

    def forward(self, faces: Tensor) -> Tensor:
        self.asked, self.last = self.asked + 1, faces.detach().clone()
        return F.adaptive_avg_pool2d(faces, 6).flatten(1)


@pytest.fixture(scope="module")
def landmarks(astronaut: np.ndarray) -> np.ndarray:
    return detect_faces(astronaut)[0].landmarks


@pytest.fixture
def chain(astronaut: np.ndarray, landmarks: np.ndarray) -> FaceChain:
    return FaceChain([astronaut], [landmarks], TEMPLATE, torch.device("cpu"), others=[TEMPLATE] * 3, channels=3)


@pytest.fixture
def surrogates(chain: FaceChain) -> list[Surrogate]:
    """Four who know 400 others."""
    decoys = F.normalize(torch.rand(400, 3 * 6 * 6, generator=torch.Generator().manual_seed(0)))
    return [
        Surrogate(Recognizer(f"r{at}", Regions(), TEMPLATE, "", {}, decoys), build_gallery(decoys, {}))
        for at in range(4)
    ]


def own(chain: FaceChain) -> list[list[Enrollment]]:
    """The clean face's own enrollment."""
    return [[Enrollment("itself", F.normalize(Regions()(chain.clean_faces()))[0])]]


def goals_of(chain: FaceChain, surrogates: list[Surrogate], rng: np.random.Generator) -> list[LikenessGoal]:
    return [likeness_goal(surrogate, own(chain), rng) for surrogate in surrogates]


def networks(surrogates: list[Surrogate]) -> list[Regions]:
    return [surrogate.recognizer.network for surrogate in surrogates]  # type: ignore[misc]


def likenesses(
    chain: FaceChain, surrogates: list[Surrogate], landmarks: np.ndarray, calls: int, priority: set[int]
) -> list[float]:
    """Of the unchanged face, at every call."""
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    goals = goals_of(chain, surrogates, rng)
    follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [landmarks], rng, Timing(), priority)
    return [float(likeness) for _ in range(calls) for likeness in follow(clean, CHOSEN)]


def test_each_call_asks_two_of_the_surrogates_and_in_time_all(
    chain: FaceChain, surrogates: list[Surrogate], landmarks: np.ndarray
) -> None:
    likenesses(chain, surrogates, landmarks, 40, set())
    counts = [network.asked for network in networks(surrogates)]
    assert sum(counts) == 40 * SURROGATES_A_STEP
    assert min(counts) >= 10


def test_those_who_still_recognize_the_face_are_asked_first(
    chain: FaceChain, surrogates: list[Surrogate], landmarks: np.ndarray
) -> None:
    likenesses(chain, surrogates, landmarks, 20, {2})
    counts = [network.asked for network in networks(surrogates)]
    assert counts[2] == 20
    assert sum(counts) == 40


def test_a_face_is_like_itself_and_unlike_when_it_changes(
    chain: FaceChain, surrogates: list[Surrogate], landmarks: np.ndarray
) -> None:
    assert min(likenesses(chain, surrogates, landmarks, 20, set())) > 0.2
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    goals = goals_of(chain, surrogates, rng)
    follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [landmarks], rng, Timing())
    assert all(float(likeness) < 0 for likeness in follow(1 - clean, CHOSEN))


def test_views_are_mirrored_half_of_the_time(
    chain: FaceChain, surrogates: list[Surrogate], landmarks: np.ndarray
) -> None:
    """The darker side of the face changes sides."""
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    goals = goals_of(chain, surrogates, rng)
    follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [landmarks], rng, Timing(), {0})
    sides = Counter()
    for _ in range(40):
        follow(clean, CHOSEN)
        left, right = networks(surrogates)[0].last.chunk(2, dim=3)
        sides[bool(left.mean() < right.mean())] += 1
    assert 10 <= sides[True] <= 30


def test_strangers_are_drawn_from_the_least_like_and_differ(chain: FaceChain, surrogates: list[Surrogate]) -> None:
    rng, decoys = np.random.default_rng(0), surrogates[0].recognizer.decoys
    goals = [likeness_goal(surrogates[0], own(chain), rng) for _ in range(30)]
    center = decoys.mean(0)
    others = F.normalize(decoys - center)
    alike = (others @ goals[0].clean[0]).sort().values
    to_strangers = [float(goal.stranger[0] @ goal.clean[0]) for goal in goals]
    assert max(to_strangers) <= float(alike[99]) + 1e-6
    assert len({round(value, 6) for value in to_strangers}) > 20
    assert all(float((others @ goal.stranger[0]).max()) == pytest.approx(1, abs=1e-5) for goal in goals)
