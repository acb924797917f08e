from pathlib import Path

import facenet_pytorch
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from deid.errors import CheckpointError
from deid.faces.templates import FACENET_TEMPLATE
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.facenet import FaceNet
from deid.recognizers.imports import import_checkpoint


@pytest.fixture(scope="module")
def oracle() -> facenet_pytorch.InceptionResnetV1:
    """facenet-pytorch's own network with weights of ours: random, with statistics that no initialization has."""
    torch.manual_seed(0)
    network = facenet_pytorch.InceptionResnetV1(classify=True, num_classes=12)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            module.num_batches_tracked.fill_(123_456_789)  # float32 would round it
    network.classify = False
    return network.eval()


@pytest.fixture
def released(oracle: facenet_pytorch.InceptionResnetV1, tmp_path: Path) -> Path:
    """In the form of the releases: a bare state dict, `logits` on top."""
    file = tmp_path / "20180402-114759-vggface2.pt"
    torch.save(oracle.state_dict(), file)
    return file


def test_a_released_state_dict_is_imported_and_computes_what_facenet_pytorch_does(
    oracle: facenet_pytorch.InceptionResnetV1, released: Path
) -> None:
    entry = import_checkpoint(released, "facenet")
    assert entry.architecture == "facenet"
    recognizer = load_recognizer("facenet")
    assert recognizer.template == FACENET_TEMPLATE
    assert not any(key.startswith("logits") for key in recognizer.network.state_dict())
    faces = torch.randint(0, 256, (3, 3, 160, 160)).float()
    expected = oracle(facenet_pytorch.fixed_image_standardization(faces))
    assert torch.allclose(recognizer.embed(faces / 255), expected, atol=1e-5)


def test_counters_stay_integers(released: Path) -> None:
    import_checkpoint(released, "facenet")
    counter = load_recognizer("facenet").network.state_dict()["last_bn.num_batches_tracked"]
    assert counter.dtype == torch.int64
    assert int(counter) == 123_456_789


def test_a_float_counter_or_a_network_without_its_last_layer_is_refused(released: Path, tmp_path: Path) -> None:
    state = torch.load(released, weights_only=True)
    counter = {**state, "last_bn.num_batches_tracked": torch.tensor(1.0)}
    half = {key: value for key, value in state.items() if key != "last_linear.weight"}
    for broken in (counter, half):
        torch.save(broken, tmp_path / "broken.pt")
        with pytest.raises(CheckpointError, match="not a network this program knows"):
            import_checkpoint(tmp_path / "broken.pt")


def test_a_gradient_reaches_every_pixel_region_and_the_batch_does_not_matter(
    oracle: facenet_pytorch.InceptionResnetV1,
) -> None:
    network = FaceNet().eval()
    network.load_state_dict({k: v for k, v in oracle.state_dict().items() if not k.startswith("logits")})
    faces = torch.rand(2, 3, 160, 160, requires_grad=True)
    embeddings = network(faces)
    assert embeddings.shape == (2, 512)
    assert torch.allclose(embeddings[:1], network(faces[:1]), atol=1e-5)
    embeddings[:, 0].sum().backward()
    assert faces.grad is not None
    assert bool((F.avg_pool2d(faces.grad.abs(), 32) > 0).all())


@pytest.mark.shared_data
def test_the_template_is_where_facenet_pytorch_crops(shared_data: Path) -> None:
    """Landmarks in the package's own crops: the mean over photos and mirror images is the template's."""
    mtcnn = facenet_pytorch.MTCNN(image_size=160, margin=0)
    people = sorted((shared_data / "lfw").iterdir())
    points = []
    for person in people[:: len(people) // 100][:100]:
        picture = Image.open(min(person.iterdir())).convert("RGB")
        boxes, _, landmarks = mtcnn.select_boxes(*mtcnn.detect(picture, landmarks=True), picture, method="largest")
        # As extract_face cuts: whole pixels inside the picture.
        corner = np.trunc(np.maximum(boxes[0][:2], 0))
        size = np.trunc(np.minimum(boxes[0][2:], picture.size)) - corner
        points.append((landmarks[0].astype(float) + 0.5 - corner) * 160 / size - 0.5)
    mean = np.mean(points, axis=0)
    mirrored = mean[[1, 0, 2, 4, 3]] * (-1, 1) + (159, 0)
    assert FACENET_TEMPLATE.points is not None
    assert np.abs((mean + mirrored) / 2 - np.array(FACENET_TEMPLATE.points)).max() < 0.1
