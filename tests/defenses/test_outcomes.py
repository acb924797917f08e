import torch

from deid.defenses.contract import ADVERSARIAL, Defended
from deid.defenses.outcomes import outcomes_of


def test_every_attack_succeeds_fails_or_is_detected() -> None:
    """By hand: of four, one is taken for another class, one for its own, two for attacks."""
    outcomes = outcomes_of(torch.tensor([1, 1, ADVERSARIAL, ADVERSARIAL]), torch.tensor([0, 1, 2, 0]))
    assert (outcomes.success.value, outcomes.failed.value, outcomes.detected.value) == (0.25, 0.25, 0.5)
    assert outcomes.detected.n == 4


def test_the_last_column_is_adversarial() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0], [0.0, 1.0, 2.0], [3.0, 1.0, -torch.inf]])
    assert Defended(lambda photos: scores).answers(torch.zeros(3, 1, 2, 2)).tolist() == [1, ADVERSARIAL, 0]
