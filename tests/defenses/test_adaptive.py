"""The adversary who knows the defense, where the least perturbation is known."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from attacks.classifiers import GRAY, SCALE, Linear, drawn_labels, linear
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.attacks.i_fgvm import i_fgvm
from deid.attacks.k_a3 import k_a3
from deid.attacks.pgd import pgd_l2
from deid.defenses.adaptive import adaptive, gaps
from deid.defenses.contract import ADVERSARIAL, Defended
from deid.defenses.undefended import undefended

DISTANCE, BAND = 0.1, 0.2  # both in L2: of the border, and from it on until the defense is sure again
SHAPE = (1, 12, 12)


@dataclass(frozen=True, eq=False)
class Banded:
    """A linear network that says «adversarial» where its answer leads by less than a band."""

    network: Linear

    def __call__(self, photos: Tensor) -> Tensor:
        logits = self.network(photos)
        # Of orthonormal weights a border's normal is √2 long.
        second = logits.topk(2).values[:, 1:]
        return torch.cat([logits, second + SCALE * 2**0.5 * BAND], 1)


NETWORK = linear(5, SHAPE)
LABELS, NEAREST = drawn_labels(6, 5)
# As far from the border as the band and then some: clean photos are answered.
PHOTOS = NETWORK.faces_at(BAND + DISTANCE, LABELS, NEAREST, 2)
LEAST = 2 * BAND + DISTANCE
BANDED = Defended(Banded(NETWORK))


def lengths(noise: Tensor) -> Tensor:
    return noise.flatten(1).norm(dim=1)


def test_clean_photos_are_answered_and_those_on_the_border_are_rejected() -> None:
    assert torch.equal(BANDED.answers(PHOTOS), LABELS)
    assert bool((BANDED.answers(NETWORK.faces_at(0.0, LABELS, NEAREST, 2)) == ADVERSARIAL).all())


def test_gaps_by_hand() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0, 2.5]])
    assert gaps(scores, torch.tensor([0])).tolist() == [[1.0, 0.5]]
    assert gaps(scores, torch.tensor([1])).tolist() == [[-2.0, -0.5]]
    targets = torch.tensor([[2, 1]])
    assert gaps(scores, torch.tensor([0]), targets).tolist() == [[1.0, 2.0, 0.5]]
    masked = gaps(scores, torch.tensor([0]), torch.tensor([[2, -1]]))
    assert masked.tolist() == [[1.0, -torch.inf, 0.5]]


@pytest.mark.parametrize("attack", [i_fgvm, k_a3], ids=["i-fgvm", "k-a3"])
def test_the_far_side_of_the_band_is_reached_not_far_behind_it(attack: object) -> None:
    attacked = adaptive(BANDED, PHOTOS, LABELS, attack=attack, steps=100)  # type: ignore[arg-type]
    assert bool(attacked.met.all())
    assert torch.equal(BANDED.answers(attacked.faces), NEAREST)
    rounding = 12 / 510
    assert bool((lengths(attacked.faces - PHOTOS) >= LEAST - rounding).all()), "nothing nearer is answered otherwise"
    assert bool((lengths(attacked.faces - PHOTOS) <= 1.25 * LEAST).all())
    assert torch.allclose(attacked.faces * 255, (attacked.faces * 255).round(), atol=1e-3)


def test_a_ball_is_enough_as_soon_as_it_reaches_behind_the_band() -> None:
    for radius, is_enough in ((0.9 * LEAST, False), (1.15 * LEAST, True)):
        attacked = adaptive(BANDED, PHOTOS, LABELS, attack=pgd_l2(radius=radius), steps=80)
        assert attacked.met.tolist() == [is_enough] * len(PHOTOS)
        assert torch.equal(
            attacked.met, (BANDED.answers(attacked.faces) != LABELS) & (BANDED.answers(attacked.faces) >= 0)
        )


def test_who_does_not_know_the_band_ends_in_it() -> None:
    unknowing = adaptive(undefended(NETWORK), PHOTOS, LABELS, steps=100)
    assert bool(unknowing.met.all())
    assert bool((BANDED.answers(unknowing.faces) == ADVERSARIAL).all())


def test_photos_are_sent_to_a_rank() -> None:
    """K-A³'s groups: each of r(2..k) outranks the true class, and the best of them «adversarial»."""
    clean = NETWORK(PHOTOS).scatter(1, LABELS[:, None], -torch.inf)
    others = clean.sort(1, descending=True).indices[:, :3]
    k = torch.tensor([2, 3, 4, 2, 3, 4])
    targets = others.where(torch.arange(3) < k[:, None] - 1, -1)
    attacked = adaptive(BANDED, PHOTOS, LABELS, targets=targets, steps=200)
    assert bool(attacked.met.all())
    assert bool((rank_of(NETWORK(attacked.faces), LABELS) >= k).all())
    assert bool((BANDED.answers(attacked.faces) == ADVERSARIAL).logical_not().all())


@pytest.mark.parametrize("levels", [4, 16])
def test_a_defense_without_gradients_falls_by_its_stand_in(levels: int) -> None:
    """Scores in steps, as a deployed SVDD has them: followed, they lead nowhere; the stand-in does."""
    quantized = Defended(lambda photos: (BANDED.scores(photos) / SCALE * levels).round())
    labels = quantized.answers(PHOTOS)
    assert torch.equal(labels, LABELS)
    alone = adaptive(quantized, PHOTOS, LABELS, steps=30)
    assert not bool(alone.met.any())
    knowing = adaptive(quantized, PHOTOS, LABELS, surrogate=BANDED, steps=100)
    assert bool(knowing.met.all())
    answers = quantized.answers(knowing.faces)
    assert bool(((answers != LABELS) & (answers != ADVERSARIAL)).all())


def test_in_expectation_a_random_filter_is_met_by_photos_that_hold() -> None:
    generator = torch.Generator().manual_seed(0)

    def shaken(photos: Tensor) -> Tensor:
        gains = 1 + 0.2 * (2 * torch.rand(len(photos), 1, 1, 1, generator=generator) - 1)
        return NETWORK(GRAY + gains * (photos - GRAY) + 0.01 * torch.randn(photos.shape, generator=generator))

    def holds(draws: int) -> float:
        attacked = adaptive(undefended(shaken), PHOTOS, LABELS, draws=draws, steps=60)
        return float(
            torch.stack([undefended(shaken).answers(attacked.faces) != LABELS for _ in range(50)]).float().mean()
        )

    assert holds(1) < holds(16)
    assert holds(16) > 0.9


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_how_large_scores_are_makes_no_difference(scale: float) -> None:
    scaled: Callable[[Tensor], Tensor] = lambda photos: scale * BANDED.scores(photos)  # noqa: E731
    attacked = adaptive(Defended(scaled), PHOTOS, LABELS, attack=i_fgvm, steps=60)
    assert bool(attacked.met.all())
    assert bool((lengths(attacked.faces - PHOTOS) <= 1.25 * LEAST).all())


def test_photos_without_a_target_are_refused() -> None:
    with pytest.raises(ValueError, match="target"):
        adaptive(BANDED, PHOTOS, LABELS, targets=torch.full((6, 2), -1))
    with pytest.raises(ValueError, match="label"):
        adaptive(BANDED, PHOTOS, LABELS[:3])
