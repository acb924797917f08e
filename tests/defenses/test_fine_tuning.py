import pytest
import torch

from deid.defenses.fine_tuning import FROZEN, NEAREST, distillation_loss, trainable_copy
from deid.errors import UsageError
from deid.recognizers.checkpoints import load_recognizer


@pytest.mark.parametrize("name", FROZEN)
def test_the_upper_layers_of_a_copy_are_trained(name: str) -> None:
    recognizer = load_recognizer(name)
    network = trainable_copy(recognizer)
    trained = {part for part, weight in network.named_parameters() if weight.requires_grad}
    left = {part for part, weight in network.named_parameters()} - trained
    assert trained
    assert all(any(part.startswith(prefix) for part in left) for prefix in FROZEN[name]), "no prefix leads nowhere"
    faces = torch.rand(1, recognizer.template.channels, *(recognizer.template.size,) * 2)
    network(faces).sum().backward()
    assert all(weight.grad is None for weight in recognizer.network.parameters()), "the recognizer is left alone"
    assert {part for part, weight in network.named_parameters() if weight.grad is not None} == trained


def test_one_whose_layers_are_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="dlib-resnet cannot be fine-tuned"):
        trainable_copy(load_recognizer("dlib-resnet"))


def test_the_loss_by_hand() -> None:
    """Two people at right angles. At their places only the softmax is left; swapped, each is at a cosine of 0."""
    places = torch.eye(2)
    at_place = float(distillation_loss(places, places, places))
    assert at_place == pytest.approx(NEAREST * torch.log1p(torch.exp(torch.tensor(-16.0))).item(), abs=1e-6)
    swapped = float(distillation_loss(places.flip(0), places, places))
    assert swapped == pytest.approx(1 + NEAREST * 16, abs=1e-4)
