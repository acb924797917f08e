import pytest
import torch

from deid.defenses.checked import check_training
from deid.errors import UsageError


@pytest.mark.parametrize(
    ("shape", "labels", "needed", "said"),
    [
        ((4, 8, 8), [0, 1, 0, 1], 1, "photos"),
        ((3, 1, 8, 8), [0, 1], 1, "photos"),
        ((3, 1, 8, 8), [0, 0, 0], 1, "two classes"),
        ((3, 1, 8, 8), [0, 2, 2], 0, "there are 0"),
        ((3, 1, 8, 8), [0, 1, 1], 2, "there are 1"),
    ],
)
def test_what_no_defense_can_learn_from(shape: tuple[int, ...], labels: list[int], needed: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_training(torch.zeros(shape), torch.tensor(labels), needed)


def test_the_number_of_classes() -> None:
    assert check_training(torch.zeros(4, 1, 8, 8), torch.tensor([0, 2, 1, 1]), 1) == 3
