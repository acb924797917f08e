import pytest
import torch
from attacks.classifiers import drawn_labels, linear
from torch import Tensor

from deid.defenses.contract import Defended
from deid.defenses.gradient_checks import findings
from deid.defenses.undefended import undefended

NETWORK = linear(4, (1, 8, 8))
LABELS, NEAREST = drawn_labels(10, 4)
PHOTOS = NETWORK.faces_at(0.2, LABELS, NEAREST, 2)
NAMES = [("random",), ("zero",), ("vanishing",)]


def names(defended: Defended) -> tuple[str, ...]:
    return tuple(finding.name for finding in findings(defended, PHOTOS, LABELS))


@pytest.mark.parametrize("scale", [0.01, 1.0, 3.0])
def test_of_a_linear_network_they_say_nothing(scale: float) -> None:
    assert names(undefended(lambda photos: scale * NETWORK(photos))) == ()


def test_random_scores_are_found() -> None:
    generator = torch.Generator().manual_seed(0)

    def noisy(photos: Tensor) -> Tensor:
        return NETWORK(photos + 0.01 * torch.randn(photos.shape, generator=generator))

    assert names(undefended(noisy)) == ("random",)


@pytest.mark.parametrize("step", [lambda logits: logits.round(), torch.Tensor.detach, lambda logits: logits.detach()])
def test_flat_scores_are_found(step: object) -> None:
    assert names(undefended(lambda photos: step(NETWORK(photos)))) == ("zero",)  # type: ignore[operator]


def test_gradients_that_are_no_numbers_are_found() -> None:
    """The root's slope is infinite at 0, and what it is multiplied by is 0."""
    assert names(undefended(lambda photos: NETWORK(photos) + 0 * (photos * 0).flatten(1).norm(dim=1).sqrt().sum())) == (
        "zero",
    )


def test_saturated_scores_are_found_where_there_are_enough() -> None:
    assert names(undefended(lambda photos: 1000 * NETWORK(photos))) == ("vanishing",)
    sure = torch.zeros(10, 1)
    sure[0] = 1
    few = findings(undefended(lambda photos: (1 + 999 * sure) * NETWORK(photos)), PHOTOS, LABELS)
    assert [finding.share for finding in few] == [pytest.approx(0.1)]
    none = findings(undefended(lambda photos: NETWORK(photos)), PHOTOS, LABELS)
    assert none == ()


def test_a_column_that_is_adversarial_does_not_disturb() -> None:
    for column in (-torch.inf, 0.0, 5.0):
        rejecting = Defended(
            lambda photos, column=column: torch.nn.functional.pad(NETWORK(photos), (0, 1), value=column)
        )
        assert names(rejecting) == ()


def test_a_finding_says_what_to_do() -> None:
    (finding,) = findings(undefended(lambda photos: 1000 * NETWORK(photos)), PHOTOS, LABELS)
    assert str(finding) == (
        "vanishing gradients at 100 % of the photos: attack differences of scores, not cross-entropy"
    )
