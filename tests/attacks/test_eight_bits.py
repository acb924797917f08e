import torch
from hypothesis import given
from hypothesis import strategies as st

from deid.attacks.eight_bits import rounded


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_faces_are_as_a_file_holds_them(values: list[float]) -> None:
    faces = torch.tensor(values, dtype=torch.float64).view(1, 1, 1, -1)
    levels = (faces * 255).round().to(torch.uint8)
    assert torch.allclose(rounded(faces), levels.double() / 255, atol=1e-9)


def test_the_gradient_passes() -> None:
    faces = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    weights = torch.randn(2, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((rounded(faces) * weights).sum(), faces)
    assert torch.equal(gradient, weights)
