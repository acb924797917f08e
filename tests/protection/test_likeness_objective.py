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
from deid.protection.likeness_objective import SURROGATES_A_STEP, Wanted, likeness_on_random_views
from deid.protection.rank_objective import Asked
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Costs
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
def asked(chain: FaceChain) -> list[Asked]:
    """Four surrogates who know the clean face and 400 others."""
    decoys = F.normalize(torch.rand(400, 3 * 6 * 6, generator=torch.Generator().manual_seed(0)))
    own = F.normalize(Regions()(chain.clean_faces()))[0]
    return [
        Asked(
            Surrogate(Recognizer(f"r{at}", Regions(), TEMPLATE, "", {}, decoys), build_gallery(decoys, {})),
            [[Enrollment("self", own)]],
            torch.ones(1, 1, dtype=torch.int64),
        )
        for at in range(4)
    ]


def networks(asked: list[Asked]) -> list[Regions]:
    return [one.surrogate.recognizer.network for one in asked]  # type: ignore[misc]


def likeness(chain: FaceChain, asked: list[Asked], landmarks: np.ndarray, calls: int, pressed: set[int]) -> list[float]:
    """Of the unchanged face, at every call."""
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    wanted = [Wanted.drawn(one, rng) for one in asked]
    follow = likeness_on_random_views(chain, clean, wanted, asked, CHOSEN, [landmarks], rng, Costs(), pressed)
    return [float(one) for _ in range(calls) for one in follow(clean)]


def test_each_call_asks_two_of_the_surrogates_and_in_time_all(
    chain: FaceChain, asked: list[Asked], landmarks: np.ndarray
) -> None:
    likeness(chain, asked, landmarks, 40, set())
    counts = [network.asked for network in networks(asked)]
    assert sum(counts) == 40 * SURROGATES_A_STEP
    assert min(counts) >= 10


def test_those_who_still_recognize_the_face_are_asked_first(
    chain: FaceChain, asked: list[Asked], landmarks: np.ndarray
) -> None:
    likeness(chain, asked, landmarks, 20, {2})
    counts = [network.asked for network in networks(asked)]
    assert counts[2] == 20
    assert sum(counts) == 40


def test_a_face_is_like_itself_and_unlike_when_it_changes(
    chain: FaceChain, asked: list[Asked], landmarks: np.ndarray
) -> None:
    assert min(likeness(chain, asked, landmarks, 20, set())) > 0.2
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    wanted = [Wanted.drawn(one, rng) for one in asked]
    follow = likeness_on_random_views(chain, clean, wanted, asked, CHOSEN, [landmarks], rng, Costs())
    assert all(float(one) < 0 for one in follow(1 - clean))


def test_views_are_mirrored_half_of_the_time(chain: FaceChain, asked: list[Asked], landmarks: np.ndarray) -> None:
    """The darker side of the face changes sides."""
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    wanted = [Wanted.drawn(one, rng) for one in asked]
    follow = likeness_on_random_views(chain, clean, wanted, asked, CHOSEN, [landmarks], rng, Costs(), {0})
    sides = Counter()
    for _ in range(40):
        follow(clean)
        left, right = networks(asked)[0].last.chunk(2, dim=3)
        sides[bool(left.mean() < right.mean())] += 1
    assert 10 <= sides[True] <= 30


def test_strangers_are_drawn_from_the_least_like_and_differ(asked: list[Asked]) -> None:
    rng, one = np.random.default_rng(0), asked[0]
    decoys = one.surrogate.recognizer.decoys
    drawn = [Wanted.drawn(one, rng) for _ in range(30)]
    center = decoys.mean(0)
    others = F.normalize(decoys - center)
    alike = (others @ drawn[0].clean[0]).sort().values
    likenesses = [float(wanted.stranger[0] @ wanted.clean[0]) for wanted in drawn]
    assert max(likenesses) <= float(alike[99]) + 1e-6
    assert len({round(value, 6) for value in likenesses}) > 20
    assert all(float((others @ wanted.stranger[0]).max()) == pytest.approx(1, abs=1e-5) for wanted in drawn)
