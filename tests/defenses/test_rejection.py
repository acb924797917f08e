"""θ, neural rejection and deep neural rejection."""

import pytest
import torch
from defenses.rejecting_networks import CLASSES, classifier_of, photos_of
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deid.defenses.contract import ADVERSARIAL
from deid.defenses.deep_neural_rejection import out_of_sample, scores_of
from deid.defenses.kernel_machines import learn
from deid.defenses.registry import DEFENSES
from deid.defenses.rejecting import CALIBRATE_EVERY, learning_and_calibrating, rejecting, threshold
from deid.errors import UsageError

BOTH = pytest.mark.parametrize("name", ["nr", "dnr"])


@settings(max_examples=30)
@given(scores=st.lists(st.floats(-5, 5), min_size=1, max_size=60, unique=True), share=st.floats(0, 0.99))
def test_theta_rejects_exactly_the_share(scores: list[float], share: float) -> None:
    largest = torch.tensor(scores, dtype=torch.float64)
    below = int((largest < threshold(largest, share)).sum())
    assert below == min(round(share * len(scores)), len(scores) - 1)


def test_of_the_same_scores_none_is_rejected_alone() -> None:
    assert int((torch.tensor([1.0, 1.0, 1.0, 2.0]) < threshold(torch.tensor([1.0, 1.0, 1.0, 2.0]), 0.5)).sum()) == 0


@pytest.mark.parametrize(("scores", "share"), [([], 0.1), ([[1.0]], 0.1), ([1.0], 1.0), ([1.0], -0.1)])
def test_theta_of_nothing(scores: list[float], share: float) -> None:
    with pytest.raises(UsageError):
        threshold(torch.tensor(scores), share)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5])
@BOTH
def test_a_defense_rejects_exactly_the_share_of_clean_photos(name: str, share: float) -> None:
    classifier, (photos, labels) = classifier_of(), photos_of(10)
    defended = DEFENSES[name].fit(classifier, photos, labels, seed=0)
    clean, _ = photos_of(20, seed=2)
    again = rejecting(lambda faces: defended.scores(faces)[:, :-1], clean, share)
    assert int((again.answers(clean) == ADVERSARIAL).sum()) == round(share * len(clean))


@settings(max_examples=30)
@given(counts=st.lists(st.integers(2, 12), min_size=2, max_size=5), seed=st.integers(0, 99))
def test_every_class_is_learned_and_calibrates(counts: list[int], seed: int) -> None:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    learned, kept = learning_and_calibrating(labels, seed)
    assert sorted([*learned.tolist(), *kept.tolist()]) == list(range(len(labels)))
    assert torch.bincount(labels[kept]).tolist() == [max(1, count // CALIBRATE_EVERY) for count in counts]
    assert set(labels[learned].tolist()) == set(range(len(counts)))


@BOTH
def test_clean_photos_are_recognized_and_what_is_like_none_is_rejected(name: str) -> None:
    classifier, (photos, labels) = classifier_of(), photos_of(12)
    defended = DEFENSES[name].fit(classifier, photos, labels, seed=0)
    asked, truth = photos_of(10, seed=3)
    answers = defended.answers(asked)
    assert defended.scores(asked).shape == (len(asked), CLASSES + 1)
    assert int((answers == truth).sum()) >= 0.75 * len(truth)
    assert not bool(((answers != truth) & (answers != ADVERSARIAL)).any())
    strange = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(4))
    assert int((defended.answers(strange) == ADVERSARIAL).sum()) >= 36


@BOTH
def test_gradients_reach_the_pixels(name: str) -> None:
    defended = DEFENSES[name].fit(classifier_of(), *photos_of(8), seed=0)
    x = photos_of(2, seed=3)[0].requires_grad_(True)
    (gradient,) = torch.autograd.grad(defended.scores(x)[:, :-1].amax(1).sum(), x)
    assert bool((gradient.flatten(1).norm(dim=1) > 0).all())


@BOTH
def test_the_same_seed_makes_the_same_defense(name: str) -> None:
    x = photos_of(2, seed=3)[0]
    made = [DEFENSES[name].fit(classifier_of(), *photos_of(6), seed=seed).scores(x) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@BOTH
def test_as_few_photos_as_it_says_are_enough_and_one_fewer_is_refused(name: str) -> None:
    least = DEFENSES[name].photos
    photos, labels = photos_of(least)
    assert DEFENSES[name].fit(classifier_of(), photos, labels, seed=0).answers(photos).shape == labels.shape
    with pytest.raises(UsageError, match=f"needs {least} photos of each class"):
        DEFENSES[name].fit(classifier_of(), photos[1:], labels[1:], seed=0)
    with pytest.raises(UsageError, match="a label each"):
        DEFENSES[name].fit(classifier_of(), photos[:, 0], labels, seed=0)


def test_deep_neural_rejection_takes_three_layers() -> None:
    with pytest.raises(UsageError, match="shows 2"):
        DEFENSES["dnr"].fit(classifier_of(layers=2), *photos_of(6), seed=0)


def test_no_photo_is_scored_by_machines_that_have_learned_it() -> None:
    """A class of odd labels at random places can be learned by heart, and not foretold."""
    generator = torch.Generator().manual_seed(0)
    points, labels = torch.randn(60, 20, generator=generator), torch.arange(60) % 2
    outside = out_of_sample([points], labels, 2, seed=0)
    inside = scores_of([learn(points, labels, 2)], [points])
    assert hits(inside, labels) == 1
    assert hits(outside, labels) < 0.75
    assert outside.shape == (60, 2)


def hits(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(1) == labels).double().mean())
