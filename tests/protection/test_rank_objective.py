"""What attacks on ranks follow: which view, enrollment and surrogate each column of the scores is of."""

import numpy as np
import pytest
import torch

from deid.faces.chain import FaceChain, View
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.images.handlings import JPEG_75
from deid.protection.rank_objective import RankingGoal, exact_on_views, targets_on_views
from deid.protection.surrogates import Surrogate
from deid.recognizers.gallery import Enrollment, Gallery
from deid.recognizers.recognizer import Recognizer

SURROGATE = Surrogate(
    Recognizer("none", torch.nn.Identity(), LIGHTCNN_TEMPLATE, "", {}, torch.eye(3)), Gallery(torch.eye(3))
)
SINGLE, DOUBLE = ([Enrollment("itself", torch.eye(3)[0])] * count for count in (1, 2))


@pytest.fixture
def chain(astronaut: np.ndarray, astronaut_landmarks: np.ndarray) -> FaceChain:
    """Two faces; the second one is looked at after a handling, elsewhere by another program, and once more."""
    chain = FaceChain([astronaut] * 2, [astronaut_landmarks] * 2, LIGHTCNN_TEMPLATE, torch.device("cpu"))
    chain.add_view(1, View(astronaut_landmarks, handling=JPEG_75))
    chain.add_view(1, View(astronaut_landmarks, own=False))
    chain.add_view(1, View(astronaut_landmarks))
    return chain


def test_which_columns_of_the_scores_show_the_file_as_published(chain: FaceChain) -> None:
    one = torch.ones(2, 1, dtype=torch.int64)
    goals = [RankingGoal(SURROGATE, [of_face] * 2, one) for of_face in (DOUBLE, SINGLE)]
    shown = exact_on_views(goals, chain, torch.arange(2))
    assert shown.shape == targets_on_views(goals, chain, torch.arange(2)).shape[:2]
    assert shown[0].all(), "a face with fewer views repeats them"
    of_views = [True, False, False, True]
    assert shown[1].tolist() == [shown for shown in of_views for _ in DOUBLE] + of_views


def test_every_surrogate_s_columns_have_its_own_targets(chain: FaceChain) -> None:
    goals = [
        RankingGoal(SURROGATE, [DOUBLE, DOUBLE], torch.tensor([[2, -1], [1, 2]])),
        RankingGoal(SURROGATE, [SINGLE, SINGLE], torch.tensor([[1], [3]])),
    ]
    targets = targets_on_views(goals, chain, torch.arange(2))
    assert targets[0].tolist() == [[2, -1]] * 8 + [[1, -1]] * 4
    assert targets[1].tolist() == [[1, 2]] * 8 + [[3, -1]] * 4
    assert targets_on_views(goals, chain, torch.tensor([0])).tolist() == [[[2, -1]] * 2 + [[1, -1]]]
