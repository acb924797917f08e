from pathlib import Path

import pytest
import torch
from recognizers.lfw_pairs import genuine_and_impostor, two_photos_each
from torch import Tensor
from torch.nn import functional as F

from deid.faces.templates import MOBILEFACENET_TEMPLATE
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.imports import import_checkpoint
from deid.recognizers.mobilefacenet import MobileFaceNet

PEOPLE = 40
THRESHOLD = 0.25  # the cosine of FAR 1e-2 on all of LFW


@pytest.fixture(scope="module")
def released(shared_data: Path) -> MobileFaceNet:
    network = MobileFaceNet()
    file = shared_data / "recognizers" / "mobilefacenet-ms1m.pt"
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> Tensor:
    """Two aligned photos each of the first people of LFW that have two, person by person, (80, 3, 112, 112)."""
    return two_photos_each((shared_data / "lfw").iterdir(), PEOPLE, MOBILEFACENET_TEMPLATE)


@pytest.mark.shared_data
def test_two_photos_of_one_person_are_more_alike_than_two_people(released: MobileFaceNet, faces: Tensor) -> None:
    genuine, impostor = genuine_and_impostor(F.normalize(released(faces)))
    assert len(genuine) == PEOPLE
    # Measured: all 40 pairs of these people, 39 of 40 of others; 1.1 % of the impostors.
    assert float((genuine >= THRESHOLD).float().mean()) >= 0.95
    assert float((impostor >= THRESHOLD).float().mean()) <= 0.03
    assert float(genuine.median()) > 0.5
    assert abs(float(impostor.median())) < 0.1


@pytest.mark.shared_data
def test_a_gradient_reaches_every_pixel_region_and_the_batch_does_not_matter(
    released: MobileFaceNet, faces: Tensor
) -> None:
    some = faces[:3].clone().requires_grad_(True)
    together = released(some)
    assert together.shape == (3, 128)
    assert torch.allclose(together[:1], released(some[:1]), atol=1e-4)
    together.square().sum().backward()
    assert some.grad is not None
    assert bool((F.avg_pool2d(some.grad.abs(), 28) > 0).all())


@pytest.mark.shared_data
def test_the_released_file_is_imported_and_loaded(released: MobileFaceNet, faces: Tensor, shared_data: Path) -> None:
    file = shared_data / "recognizers" / "mobilefacenet-ms1m.pt"
    entry = import_checkpoint(file, trained_on="MS-Celeb-1M")
    assert (entry.name, entry.architecture) == ("mobilefacenet-ms1m", "mobilefacenet")
    recognizer = load_recognizer("mobilefacenet-ms1m")
    assert recognizer.template == MOBILEFACENET_TEMPLATE
    assert torch.allclose(recognizer.embed(faces[:4]), F.normalize(released(faces[:4])), atol=1e-5)


def test_it_has_the_size_of_the_published_network_and_takes_black_and_white() -> None:
    torch.manual_seed(0)
    network = MobileFaceNet().eval()
    assert sum(p.numel() for p in network.parameters()) == 999_936
    extremes = torch.stack([torch.zeros(3, 112, 112), torch.ones(3, 112, 112)])
    assert bool(network(extremes).isfinite().all())
