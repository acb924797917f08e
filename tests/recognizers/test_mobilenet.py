from pathlib import Path

import pytest
import torch
from lfw_pairs import genuine_and_impostor, two_photos_each
from torch.nn import functional as F

from deid.audit.classes import class_of
from deid.checkpoints import Entry, load_recognizer, manifest
from deid.fetch import DOWNLOADS
from deid.recognizers.mobilenet import STAGES, MobileNet
from deid.training.data import held_out_people

PEOPLE = 20


@pytest.mark.shared_data
def test_people_that_nobody_tuned_on_are_told_apart(shared_data: Path) -> None:
    recognizer = load_recognizer("mobilenet-vggface2")
    held_out = held_out_people(folder.name for folder in (shared_data / "lfw").iterdir())
    folders = (shared_data / "lfw" / name for name in held_out)
    faces = two_photos_each(folders, PEOPLE, recognizer.template)
    genuine, impostor = genuine_and_impostor(torch.cat([recognizer.embed(part) for part in faces.split(16)]))
    threshold = recognizer.thresholds["1e-2"]
    assert len(genuine) == PEOPLE
    assert float((genuine >= threshold).float().mean()) >= 0.9  # 0.970 on all held-out people
    assert float((impostor >= threshold).float().mean()) <= 0.03


def test_it_is_tensorflows_network() -> None:
    """Against sums over windows, padded by TensorFlow's rule for SAME: what is odd goes below and to the right."""
    torch.manual_seed(0)
    network = MobileNet().eval().requires_grad_(False)
    faces = torch.rand(1, 3, 64, 64)
    x = faces[0].flip(0) * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    x = torch.einsum("cyxij,ocij->oyx", windows(x, 2), network.stem.weight) + network.stem.bias[:, None, None]
    for block, (_, stride) in zip(network.blocks, STAGES, strict=True):
        wide, point = block.depthwise, block.pointwise
        x = torch.einsum("cyxij,cij->cyx", windows(x.clamp(0, 6), stride), wide.weight[:, 0]) + wide.bias[:, None, None]
        x = torch.einsum("cyx,oc->oyx", x.clamp(0, 6), point.weight[:, :, 0, 0]) + point.bias[:, None, None]
    assert torch.allclose(network(faces)[0], x.clamp(0, 6).mean((1, 2)), atol=1e-5)


def windows(maps: torch.Tensor, stride: int) -> torch.Tensor:
    """(C, H, W) → (C, h, w, 3, 3)."""
    side = maps.shape[-1]
    total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
    before, after = total // 2, total - total // 2
    return F.pad(maps, (before, after, before, after)).unfold(1, 3, stride).unfold(2, 3, stride)


def test_facenet_has_seen_the_same_people() -> None:
    entries = manifest()
    download = DOWNLOADS["facenet-vggface2"]
    facenet = Entry("facenet-vggface2", "facenet", Path(), "", {"training_data": download.training_data})
    assert class_of(facenet, [entries["mobilenet-vggface2"]]) == "related"
    assert class_of(facenet, [entries["lightcnn9"], entries["dlib-resnet"]]) == "independent"
    assert class_of(entries["mobilenet-vggface2"], [entries["lightcnn9"]]) == "independent"
