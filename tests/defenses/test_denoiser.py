import pytest
import torch
from torch.nn import functional as F

from deid.defenses.denoiser import Denoiser, denoising_loss
from deid.errors import UsageError


def test_it_is_small_and_begins_by_changing_nothing() -> None:
    network = Denoiser()
    assert sum(weight.numel() for weight in network.parameters()) <= 200_000
    faces = torch.rand(2, 3, 16, 24)
    assert torch.equal(network(faces), faces)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 1, 16, 16), (1, 3, 16, 18), (1, 3, 15, 16)])
def test_what_it_cannot_take_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="multiples of 4"):
        Denoiser()(torch.zeros(shape))


def test_the_loss_is_least_where_the_face_is_clean() -> None:
    clean = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    noise = 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))

    def embed(faces: torch.Tensor) -> torch.Tensor:
        return F.normalize(faces.flatten(1))

    losses = [float(denoising_loss(clean + share * noise, clean, embed)) for share in (0, 0.5, 1)]
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses == sorted(losses)


def test_by_hand() -> None:
    """Pixels that are 0.2 off everywhere, and an embedding at a right angle: 0.2 + 0.1."""
    clean, denoised = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.7)
    places = {0.5: torch.tensor([[1.0, 0]]), 0.7: torch.tensor([[0.0, 1]])}
    loss = denoising_loss(denoised, clean, lambda faces: places[round(float(faces[0, 0, 0, 0]), 1)])
    assert float(loss) == pytest.approx(0.3)
