"""What a feature-level attack follows, with networks that only average regions of a real face."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.chain import FaceChain
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.protection.likeness_objective import (
    AT_GOAL,
    SURROGATES_A_STEP,
    LikenessGoal,
    likeness_goal,
    likeness_on_random_views,
    to_go_as_found,
)
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Timing
from deid.recognizers.gallery import Enrollment, Gallery, build_gallery
from deid.recognizers.recognizer import Recognizer

TEMPLATE = replace(LIGHTCNN_TEMPLATE, channels=3)
CHOSEN = torch.tensor([0])
LAST = torch.tensor([1.0])


class Regions(nn.Module):
    """Means of 6 × 6 regions. seen: how often it was asked, and the last faces."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.last = torch.empty(0)

    def forward(self, faces: Tensor) -> Tensor:
        self.asked, self.last = self.asked + 1, faces.detach().clone()
        return F.adaptive_avg_pool2d(faces, 6).flatten(1)


@pytest.fixture
def chain(astronaut: np.ndarray, astronaut_landmarks: np.ndarray) -> FaceChain:
    return FaceChain([astronaut], [astronaut_landmarks], TEMPLATE, torch.device("cpu"), others=[TEMPLATE] * 3)


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
    seen, _ = chain.faces(torch.zeros_like(chain.clean_faces()), CHOSEN)
    return [[Enrollment("itself", F.normalize(Regions()(seen))[0])]]


def goals_of(chain: FaceChain, surrogates: list[Surrogate], rng: np.random.Generator) -> list[LikenessGoal]:
    return [
        likeness_goal(surrogate, own(chain), rng, LAST, exactly=False, toward_stranger=0.5) for surrogate in surrogates
    ]


@dataclass(frozen=True, eq=False)
class AtDistance(LikenessGoal):
    """A goal that is as far away as somebody says."""

    far: float = 0.0

    def to_go(self, embeddings: Tensor, rows: Tensor) -> Tensor:
        return torch.full((len(rows),), self.far)


def at_distances(goals: Sequence[LikenessGoal], far: Sequence[float]) -> list[LikenessGoal]:
    return [AtDistance(**vars(goal), far=each) for goal, each in zip(goals, far, strict=True)]


def networks(surrogates: list[Surrogate]) -> list[Regions]:
    return [surrogate.recognizer.network for surrogate in surrogates]  # type: ignore[misc]


def likenesses(
    chain: FaceChain, surrogates: list[Surrogate], landmarks: np.ndarray, calls: int, far: Sequence[float] | None = None
) -> list[float]:
    """Of the unchanged face, at every call. far: how far each surrogate finds it from its goal; None: as it is."""
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    goals = goals_of(chain, surrogates, rng)
    goals = goals if far is None else at_distances(goals, far)
    follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [landmarks], rng, Timing())
    return [float(likeness) for _ in range(calls) for likeness in follow(clean, CHOSEN)]


def test_each_call_asks_two_of_the_surrogates_and_in_time_all(
    chain: FaceChain, surrogates: list[Surrogate], astronaut_landmarks: np.ndarray
) -> None:
    likenesses(chain, surrogates, astronaut_landmarks, 40, [3.0] * 4)
    counts = [network.asked for network in networks(surrogates)]
    assert sum(counts) == 40 * SURROGATES_A_STEP
    assert min(counts) >= 10


def test_those_who_find_the_face_farther_from_its_goal_are_asked_more_often(
    chain: FaceChain, surrogates: list[Surrogate], astronaut_landmarks: np.ndarray
) -> None:
    likenesses(chain, surrogates, astronaut_landmarks, 40, [0.0, 0.0, 9.0, 1.5])
    counts = [network.asked for network in networks(surrogates)]
    assert counts[2] >= 36
    assert counts[2] > counts[3] > max(counts[:2])
    assert min(counts) >= 1, "everybody is asked at first"
    assert sum(counts) == 80


def test_a_face_is_like_itself_and_unlike_when_it_changes(
    chain: FaceChain, surrogates: list[Surrogate], astronaut_landmarks: np.ndarray
) -> None:
    assert min(likenesses(chain, surrogates, astronaut_landmarks, 20)) > 0.2
    clean, alike = chain.clean_faces(), []
    for faces in (clean, 1 - clean):
        rng = np.random.default_rng(0)
        goals = at_distances(goals_of(chain, surrogates, rng), [1.0] * 4)
        follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [astronaut_landmarks], rng, Timing())
        alike.append([float(likeness) for _ in range(10) for likeness in follow(faces, CHOSEN)])
    assert all(changed < itself for itself, changed in zip(*alike, strict=True))
    assert np.mean(alike[1]) < np.mean(alike[0]) - 0.3


@pytest.mark.parametrize(("far", "sign"), [(5.0, 1), (0.2, 1), (0.0, 0), (-0.2, -1), (-5.0, -1)])
def test_a_face_goes_away_until_its_goal_rests_there_and_comes_back_from_beyond(
    chain: FaceChain, surrogates: list[Surrogate], astronaut_landmarks: np.ndarray, far: float, sign: int
) -> None:
    """Followed down, a likeness falls; with its sign changed it rises."""
    clean = chain.clean_faces()
    slopes = []
    for each in (1.0, far):
        rng = np.random.default_rng(0)
        goals = at_distances(goals_of(chain, surrogates, rng), [each] * 4)
        follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [astronaut_landmarks], rng, Timing())
        faces = clean.clone().requires_grad_(True)
        terms = follow(faces, CHOSEN)
        slopes.append([torch.autograd.grad(term.sum(), faces, retain_graph=True)[0] for term in terms])
    for away, now in zip(*slopes, strict=True):
        assert bool(away.any())
        assert torch.allclose(now, sign * away)


def test_views_are_mirrored_half_of_the_time(
    chain: FaceChain, surrogates: list[Surrogate], astronaut_landmarks: np.ndarray
) -> None:
    """The darker side of the face changes sides."""
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    goals = at_distances(goals_of(chain, surrogates, rng), [9.0, 0.0, 0.0, 0.0])
    follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [astronaut_landmarks], rng, Timing())
    sides = Counter()
    for _ in range(40):
        asked = networks(surrogates)[0].asked
        follow(clean, CHOSEN)
        if networks(surrogates)[0].asked > asked:
            left, right = networks(surrogates)[0].last.chunk(2, dim=3)
            sides[bool(left.mean() < right.mean())] += 1
    assert sides.total() >= 36
    assert 10 <= sides[True] <= 30


def test_strangers_are_drawn_from_the_least_like_and_differ(chain: FaceChain, surrogates: list[Surrogate]) -> None:
    rng, decoys = np.random.default_rng(0), surrogates[0].recognizer.decoys
    goals = [likeness_goal(surrogates[0], own(chain), rng, LAST, exactly=False, toward_stranger=0.5) for _ in range(30)]
    center = decoys.mean(0)
    others = F.normalize(decoys - center)
    alike = (others @ goals[0].clean[0]).sort().values
    to_strangers = [float(goal.stranger[0] @ goal.clean[0]) for goal in goals]
    assert max(to_strangers) <= float(alike[99]) + 1e-6
    assert len({round(value, 6) for value in to_strangers}) > 20
    assert all(float((others @ goal.stranger[0]).max()) == pytest.approx(1, abs=1e-5) for goal in goals)


@pytest.mark.parametrize("toward", [0.0, 0.5, 1.5])
def test_the_likeness_is_that_to_the_face_less_some_of_that_to_the_stranger(
    chain: FaceChain, surrogates: list[Surrogate], astronaut_landmarks: np.ndarray, toward: float
) -> None:
    rng, clean = np.random.default_rng(0), chain.clean_faces()
    goals = at_distances(goals_of(chain, surrogates, rng), [1.0] * 4)
    goals = [replace(goal, toward_stranger=toward) for goal in goals]
    follow = likeness_on_random_views(chain, clean, goals, CHOSEN, [astronaut_landmarks], rng, Timing())
    got = sorted(float(likeness) for likeness in follow(clean, CHOSEN))
    expected = []
    for goal, network in zip(goals, networks(surrogates), strict=True):
        if network.asked:
            seen = F.normalize(F.normalize(Regions()(network.last)) - goal.center)[0]
            expected.append(float(seen @ goal.clean[0] - toward * (seen @ goal.stranger[0])))
    assert got == pytest.approx(sorted(expected), abs=1e-5)


SIMILAR = [0.9, 0.7, 0.5, 0.3, 0.1]  # of the others in a list, to the face


def goal_at(places: Sequence[float], similarities: Sequence[float], *, exactly: bool) -> tuple[LikenessGoal, Tensor]:
    """A goal of faces that are as alike to themselves as this, and their embeddings: the first axis, for all."""
    axes = torch.eye(8)
    decoys = torch.stack([c * axes[0] + (1 - c * c) ** 0.5 * axes[at + 1] for at, c in enumerate(SIMILAR)])
    recognizer = Recognizer("fake", Regions(), TEMPLATE, "", {"1e-2": 0.2}, decoys[[3, 0, 4, 2, 1]])
    enrollments = [
        # Only the last enrollment is the face's own: the other one says nothing here.
        [Enrollment("somebody", axes[6]), Enrollment("itself", s * axes[0] + (1 - s * s) ** 0.5 * axes[7])]
        for s in similarities
    ]
    surrogate, nobody = Surrogate(recognizer, Gallery(recognizer.decoys)), torch.zeros(len(places), 8)
    goal = LikenessGoal(surrogate, axes[0], nobody, nobody, enrollments, torch.tensor(places), exactly, 0.5)
    return goal, axes[:1].expand(len(places), -1)


@pytest.mark.parametrize("exactly", [True, False])
def test_how_far_a_face_is_from_its_place_in_the_list(exactly: bool) -> None:
    places, similarities = [0.0, 0.25, 0.5, 0.75, 1.0, 1.0], [0.8, 0.8, 0.8, 0.3, 0.6, 0.05]
    goal, embeddings = goal_at(places, similarities, exactly=exactly)
    far = goal.to_go(embeddings, torch.arange(6)) * goal.surrogate.recognizer.spread
    expected = [0.8 - 0.9, 0.8 - 0.7, 0.8 - 0.5, 0, 0.6 - 0.1, 0.05 - 0.1]
    assert far.tolist() == pytest.approx([each if exactly else max(0, each) for each in expected], abs=1e-6)
    backward = goal.to_go(embeddings[:2], torch.tensor([4, 2]))
    assert torch.equal(backward, goal.to_go(embeddings, torch.arange(6))[[4, 2]]), "rows say which face is which"


@pytest.mark.parametrize("exactly", [True, False])
def test_near_its_goal_a_face_is_left_alone(exactly: bool) -> None:
    goal, embeddings = goal_at([0.5] * 4, [0.5] * 4, exactly=exactly)
    near = AT_GOAL * goal.surrogate.recognizer.spread
    moves = [0.9 * near, -0.9 * near, 1.1 * near, -1.1 * near]
    goal, _ = goal_at([0.5] * 4, [0.5 + move for move in moves], exactly=exactly)
    signs = goal.to_go(embeddings, torch.arange(4)).sign().tolist()
    assert signs == [0, 0, 1, -1 if exactly else 0]


def test_what_a_person_s_photos_have_in_common_is_what_is_to_go(chain: FaceChain, surrogates: list[Surrogate]) -> None:
    rng, ((itself,),) = np.random.default_rng(0), own(chain)
    center = surrogates[0].recognizer.decoys.mean(0)
    other = Enrollment("other photos", F.normalize(itself.prototype + torch.rand(108), dim=0))
    for enrollments in ([[itself]], [[other, itself]]):
        goal = likeness_goal(surrogates[0], enrollments, rng, LAST, exactly=True, toward_stranger=0.3)
        each = [F.normalize(enrollment.prototype - center, dim=0) for enrollment in enrollments[0]]
        assert torch.allclose(goal.clean[0], F.normalize(torch.stack(each).mean(0), dim=0), atol=1e-6)
        assert (goal.places.tolist(), goal.exactly, goal.toward_stranger) == ([1.0], True, 0.3)
        assert goal.enrollments == enrollments


def test_where_this_program_finds_a_face_it_is_told_how_far_it_is_to_go(
    chain: FaceChain, surrogates: list[Surrogate]
) -> None:
    clean = chain.clean_faces()
    (goal, *_) = goals_of(chain, surrogates, np.random.default_rng(0))
    follow = to_go_as_found(chain, clean, goal, CHOSEN, Timing())
    seen, _ = chain.faces(torch.zeros_like(clean), CHOSEN)
    expected = goal.to_go(goal.surrogate.recognizer.embed(seen), CHOSEN)
    x = clean.clone().requires_grad_(True)
    far = follow(x, torch.tensor([0]))
    assert torch.allclose(far, expected, atol=1e-4)
    assert bool(far > 0), "the clean face is first, and is to be last"
    (gradient,) = torch.autograd.grad(far.sum(), x)
    assert bool(follow(clean - 0.1 * gradient / gradient.abs().max(), torch.tensor([0])) < far)
