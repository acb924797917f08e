"""Who vouches for a photo, by hand; β where it is known; what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor

from deid.defenses import m_svdd
from deid.defenses.contract import ADVERSARIAL, Classifier, Defended
from deid.defenses.m_svdd import Detector, learned_detector, quantized, trimmed, unquantized
from deid.defenses.registry import DEFENSES
from deid.defenses.svdd_units import Units
from deid.errors import UsageError

CLASSES = 3
FLAT = Classifier(lambda photos: photos.flatten(1), lambda photos: (photos.flatten(1),))


def photos(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Each class another bright corner."""
    labels = torch.arange(n) % CLASSES
    pixels = 0.1 * torch.rand(n, 1, 2, 2, generator=torch.Generator().manual_seed(seed))
    pixels.flatten(1)[torch.arange(n), labels] += 0.8
    return pixels, labels


@pytest.mark.parametrize(("margins", "answer"), [
    ([0.5, -0.1, -3.0], 0),
    ([-0.1, -0.1, -3.0], ADVERSARIAL),  # nobody
    ([0.5, 0.4, -3.0], ADVERSARIAL),  # two, however unlike
    ([0.5, 0.0005, -3.0], 0),  # less than «adversarial» itself has
    ([0.0005, 0.0, -3.0], ADVERSARIAL),
    ([-1.0, -1.0, 0.002], 2),
])  # fmt: skip
def test_only_a_unique_verifier_counts(margins: list[float], answer: int) -> None:
    scores = torch.tensor([margins])
    assert Defended(quantized).answers(scores).tolist() == [answer]
    assert Defended(unquantized).answers(scores).tolist() == [answer]


MARGINS = arrays("float32", (4, CLASSES), elements=st.floats(-2, 2, width=16))


@given(MARGINS)
def test_an_attack_follows_what_is_answered(margins: object) -> None:
    both = torch.as_tensor(margins)
    assert torch.equal(Defended(quantized).answers(both), Defended(unquantized).answers(both))


def test_quantized_scores_are_of_few_values_and_have_no_gradient_where_it_counts() -> None:
    margins = torch.tensor([[0.5, -1.0, -1.0], [0.5, 0.5, -1.0]], requires_grad=True)
    scores = quantized(margins)
    assert scores.tolist() == [pytest.approx([1e-2, 0, 0, 1e-3]), pytest.approx([0, 0, 0, 1e-3])]
    (gradient,) = torch.autograd.grad(scores.sum(), margins)
    assert not gradient.any()


def test_unquantized_scores_have_the_gradients_they_say() -> None:
    units = Units(
        torch.eye(4).double(), torch.rand(CLASSES, 4).double(), torch.ones(CLASSES).double(), torch.tensor(0.7)
    )
    detector = Detector(FLAT, units, torch.ones(CLASSES).double())
    x = photos(2)[0].double().requires_grad_(True)
    assert torch.autograd.gradcheck(detector.unquantized, (x,))
    (gradient,) = torch.autograd.grad(detector.unquantized(x)[:, 0].sum(), x)
    assert bool(gradient.flatten(1).any(1).all())


class TestTrimming:
    labels = torch.tensor([0] * 4 + [1] * 4)
    distances = torch.tensor([0.2, 0.4, 0.6, 1.2, 1.0, 1.6, 1.7, 1.8])[:, None].repeat(1, 2)

    def test_for_classification_the_fewest_are_on_the_wrong_side(self) -> None:
        """Of class 0 by hand: after 0.6 one of its own is left out, after 1.2 one of the others is let in."""
        assert float(trimmed(self.distances, self.labels, "classification")[0]) == pytest.approx(0.8)

    def test_for_defense_most_of_the_own_are_let_in(self) -> None:
        values = torch.arange(1, 101) / 100
        distances = torch.stack([torch.cat([values, values + 5]), torch.cat([values + 5, values])], 1)
        labels = torch.arange(2).repeat_interleave(100)
        betas = trimmed(distances, labels, "defense")
        verified = (quantized(betas - distances).argmax(1) == labels).float().mean()
        assert float(verified) == pytest.approx(0.95, abs=0.01)

    def test_one_for_all(self) -> None:
        assert trimmed(self.distances, self.labels, 1.04).tolist() == pytest.approx([1.04, 1.04])
        with pytest.raises(UsageError, match="positive"):
            trimmed(self.distances, self.labels, 0.0)


def test_it_knows_its_classes_and_nothing_else() -> None:
    defended = DEFENSES["m-svdd"].fit(FLAT, *photos(60), seed=0)
    unseen, labels = photos(30, seed=1)
    answers = defended.answers(unseen)
    assert float((answers == labels).float().mean()) > 0.8
    between = (unseen + unseen[torch.arange(30).roll(1)]) / 2
    assert (defended.answers(between) == ADVERSARIAL).all()
    assert (defended.answers(torch.zeros(2, 1, 2, 2)) == ADVERSARIAL).all()
    assert defended.scores(unseen).shape == (30, CLASSES + 1)


def test_a_smaller_beta_verifies_less() -> None:
    unseen, _ = photos(30, seed=1)
    verified = [
        int((m_svdd.fit(FLAT, *photos(60), seed=0, beta=beta).answers(unseen) != ADVERSARIAL).sum())
        for beta in (0.1, 1.0)
    ]
    assert verified[0] < verified[1]


def test_photos_of_a_class_take_turns() -> None:
    assert m_svdd.folds_of(torch.tensor([2, 0, 2, 2, 0, 2]), 3).tolist() == [0, 0, 1, 2, 1, 0]


def test_what_it_cannot_learn_from() -> None:
    few, labels = photos(3 * (m_svdd.PHOTOS - 1))
    with pytest.raises(UsageError, match="needs 4 photos"):
        learned_detector(FLAT, few, labels, seed=0)
    with pytest.raises(UsageError, match="photos"):
        learned_detector(FLAT, few[0], labels, seed=0)
