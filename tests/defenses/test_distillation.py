import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses.distillation import AtTemperature, FromTeacher
from deid.defenses.gradient_checks import findings
from deid.defenses.training_loss import Loss, plain
from deid.defenses.undefended import undefended

RNG = np.random.default_rng(0)


def photos() -> tuple[Tensor, Tensor]:
    """Three classes, each a pattern of its own, and noise."""
    generator = torch.Generator().manual_seed(0)
    patterns = torch.rand(3, 1, 6, 6, generator=generator)
    labels = torch.arange(48) % 3
    return (0.8 * patterns[labels] + 0.2 * torch.rand(48, 1, 6, 6, generator=generator)), labels


PHOTOS, LABELS = photos()


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 3))


def trained(loss: Loss) -> nn.Module:
    """By the signs of the gradient, which do not mind that a temperature makes it small."""
    student = network()
    weights = list(student.parameters())
    for step in range(100):
        gradients = torch.autograd.grad(loss(student, PHOTOS, LABELS, RNG), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= 0.05 * (1 - step / 100) * gradient.sign()
    return student.eval().requires_grad_(False)


def test_temperatures_divide_the_logits() -> None:
    asked = network()
    assert float(AtTemperature(1.0)(asked, PHOTOS, LABELS, RNG).detach()) == pytest.approx(
        float(plain(asked, PHOTOS, LABELS, RNG).detach())
    )
    expected = F.cross_entropy(asked(PHOTOS) / 20, LABELS)
    assert float(AtTemperature(20.0)(asked, PHOTOS, LABELS, RNG).detach()) == pytest.approx(float(expected.detach()))


def test_a_student_has_nothing_to_learn_where_it_says_what_its_teacher_says() -> None:
    teacher, student = network().requires_grad_(False), network()
    loss = FromTeacher(5.0, "a sha256", teacher)(student, PHOTOS, LABELS, RNG)
    said = (teacher(PHOTOS) / 5).softmax(1)
    assert float(loss.detach()) == pytest.approx(float(-(said * said.log()).sum(1).mean()), rel=1e-5), "its entropy"
    gradients = torch.autograd.grad(loss, list(student.parameters()))
    assert all(bool((gradient.abs() < 1e-6).all()) for gradient in gradients)


def test_a_teacher_is_told_by_its_hash() -> None:
    losses = [FromTeacher(5.0, sha256, network()) for sha256 in ("a", "b")]
    assert repr(losses[0]) == "FromTeacher(temperature=5.0, sha256='a')" != repr(losses[1])


def test_distillation_hides_gradients_and_the_checks_say_so() -> None:
    teacher = trained(AtTemperature(100.0))
    distilled = trained(FromTeacher(100.0, "teacher", teacher))
    usual = trained(plain)
    for asked in (distilled, usual):
        assert bool((asked(PHOTOS).argmax(1) == LABELS).all())
    (finding,) = findings(undefended(distilled), PHOTOS, LABELS)
    assert finding.name == "vanishing"
    assert finding.share > 0.9
    assert findings(undefended(usual), PHOTOS, LABELS) == ()
