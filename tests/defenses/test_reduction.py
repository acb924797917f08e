"""Dimensionality reduction: the detector's logic by hand, linear heads in closed form, gradients, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from deid.defenses import autoencoder, reduction
from deid.defenses.contract import ADVERSARIAL, Classifier, Defended, Fit
from deid.defenses.reduction import (
    before_network,
    disagreement,
    disagreement_with,
    encoder_and_head,
    linear_head,
    on_features,
)
from deid.defenses.registry import DEFENSES
from deid.errors import UsageError

VARIANTS = (before_network, on_features, encoder_and_head)
SIDE, CLASSES = 8, 3


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoencoder, "PHOTO_STEPS", 100)
    monkeypatch.setattr(autoencoder, "FEATURE_STEPS", 200)
    monkeypatch.setattr(reduction, "HEAD_STEPS", 100)


def linear_classifier() -> Classifier:
    """Features are 16 fixed projections of the pixels, logits a linear function of them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 16), nn.Tanh()).requires_grad_(False)
        head = nn.Linear(16, CLASSES).requires_grad_(False)
    return Classifier(lambda photos: 9 * head(body(photos)), lambda photos: (photos.flatten(1), body(photos)))


def photos_of_classes(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Each class a smooth pattern of its own and a little noise, labeled as the classifier has them."""
    ramp = torch.linspace(0, 1, SIDE)
    patterns = torch.stack([ramp.expand(SIDE, SIDE), ramp[:, None].expand(SIDE, SIDE), 1 - ramp.expand(SIDE, SIDE)])
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % CLASSES
    noise = 0.02 * torch.randn(n, 1, SIDE, SIDE, generator=generator)
    return (0.1 + 0.8 * patterns[labels][:, None] + noise).clamp(0, 1), labels


def test_the_detector_flags_disagreement_by_hand() -> None:
    original = torch.tensor([[3.0, 1.0, 0.0], [3.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    reduced = torch.tensor([[5.0, 1.0, 0.0], [1.0, 5.0, 0.0], [4.0, 0.0, 3.5]])
    scores = disagreement(original, reduced)
    # The network's largest logit and by how much the reduced network's best other one leads: −4, 4, 0.5.
    assert scores[:, -1].tolist() == [-1.0, 7.0, 2.5]
    assert torch.equal(scores[:, :-1], original)
    assert Defended(lambda photos: scores).answers(torch.zeros(3, 1, 2, 2)).tolist() == [0, ADVERSARIAL, ADVERSARIAL]


@settings(max_examples=30)
@given(arrays("int64", (2, 7, 4), elements=st.integers(-3, 3)))
def test_the_detector_flags_exactly_where_two_networks_disagree(logits: np.ndarray) -> None:
    """Where the network's answer is among the reduced network's largest, they agree."""
    original, reduced = torch.tensor(logits).float() / 7
    answers = Defended(lambda photos: disagreement(original, reduced)).answers(torch.zeros(7, 1, 2, 2))
    first = original.argmax(1)
    agree = reduced.gather(1, first[:, None])[:, 0] == reduced.amax(1)
    assert torch.equal(answers, first.where(agree, torch.tensor(ADVERSARIAL)))


def test_a_linear_head_is_found_and_its_absence_is_said() -> None:
    generator = torch.Generator().manual_seed(0)
    features, weight = torch.randn(40, 6, generator=generator), torch.randn(6, 3, generator=generator)
    logits = features @ weight + torch.tensor([1.0, -2.0, 0.5])
    others = torch.randn(5, 6, generator=generator)
    found = linear_head(features, logits)(others)
    assert torch.allclose(found, others @ weight + torch.tensor([1.0, -2.0, 0.5]), atol=1e-4)
    # Features that vary in a plane: what leaves it counts for nothing.
    flat = features.clone()
    flat[:, 2:] = 0
    head = linear_head(flat, flat @ weight)
    assert torch.allclose(head(others), head(others * torch.tensor([1.0, 1, 0, 0, 0, 0])), atol=1e-4)
    with pytest.raises(UsageError, match="not linear"):
        linear_head(features, (features @ weight).square())


@pytest.mark.parametrize("fit", VARIANTS, ids=lambda fit: fit.__name__)
def test_a_reduced_network_still_knows_its_classes_and_passes_gradients(fit: Fit) -> None:
    photos, labels = photos_of_classes(60, 1)
    others, _ = photos_of_classes(12, 2)
    classifier = linear_classifier()
    defended = fit(classifier, photos, labels, seed=0)
    x = others.clone().requires_grad_(True)
    scores = defended.scores(x)
    assert scores.shape == (12, CLASSES + 1)
    assert bool((scores[:, -1] == -torch.inf).all()), "it never says «adversarial»"
    gradient = torch.autograd.grad(scores[:, :-1].square().sum(), x)[0]
    assert bool((gradient.flatten(1).norm(dim=1) > 0).all())
    wanted = torch.arange(12) % CLASSES if fit is encoder_and_head else classifier.logits(others).argmax(1)
    assert float((defended.answers(others) == wanted).float().mean()) > 0.9
    again = fit(classifier, photos, labels, seed=0)
    assert torch.equal(again.scores(others), defended.scores(others))


def test_the_detector_is_made_around_any_variant_and_its_gradients_reach_the_pixels() -> None:
    photos, labels = photos_of_classes(30, 1)

    def shifted(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
        """Answers with the next class for dark photos."""

        def scores(asked: Tensor) -> Tensor:
            logits = classifier.logits(asked)
            dark = (asked.mean((1, 2, 3)) < 0.2)[:, None]
            return torch.cat([logits.roll(1, 1).where(dark, logits), torch.full((len(asked), 1), -torch.inf)], 1)

        return Defended(scores)

    classifier = linear_classifier()
    detector = disagreement_with(shifted)(classifier, photos, labels, seed=0)
    assert torch.equal(detector.answers(photos), classifier.logits(photos).argmax(1))
    assert detector.answers(0.1 * photos).tolist() == [ADVERSARIAL] * 30
    x = photos.clone().requires_grad_(True)
    assert float(torch.autograd.grad(detector.scores(x)[:, -1].sum(), x)[0].abs().sum()) > 0


@pytest.mark.parametrize("name", ["autoencoder", "feature-autoencoder", "encoder", "disagreement"])
def test_what_they_refuse(name: str) -> None:
    defense, classifier = DEFENSES[name], linear_classifier()
    photos, labels = photos_of_classes(30, 1)
    for bad, of, said in (
        (photos[0], labels, "photos"),
        (photos, labels[:5], "photos"),
        (photos[:4], labels[:4], "2 photos of each class; of one there are 1"),
        (photos[:18], labels[:18], "20 photos to learn from, not 18"),
    ):
        with pytest.raises(UsageError, match=said):
            defense.fit(classifier, bad, of, seed=0)


def test_sides_that_cannot_be_halved_twice_are_refused() -> None:
    photos, labels = photos_of_classes(30, 1)
    with pytest.raises(UsageError, match="multiple of 4"):
        before_network(linear_classifier(), photos[:, :, :, :6], labels, seed=0)
