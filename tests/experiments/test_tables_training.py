from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deid.errors import UsageError
from deid.experiments.tables import training
from deid.experiments.tables.augment import shifted, shifted_and_lit, shifted_or_mirrored
from deid.experiments.tables.data import Data, Photos
from deid.experiments.tables.networks import (
    FaceClassifier,
    fully_connected,
    lenet5,
    mobilenet_v2,
    resnet18,
    robust_convolutional,
)
from deid.experiments.tables.training import Recipe, accuracy_of, trained
from deid.recognizers.lightcnn import LightCNN9
from deid.training.distill import Schedule
from deid.training.state import save_state


def two_classes(n: int, seed: int = 0) -> Photos:
    """Light above or below."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    pixels = rng.integers(0, 60, (n, 1, 8, 8))
    pixels[labels == 0, :, :4] += 100
    pixels[labels == 1, :, 4:] += 100
    return Photos(pixels.astype(np.uint8), labels)


DATA = Data(two_classes(40), two_classes(20, seed=1), ("above", "below"))


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 2))


def test_a_network_is_trained_once_and_then_read(tmp_path: Path) -> None:
    recipe, said = Recipe(linear, Schedule(40, batch=16)), []
    first = trained("tiny", recipe, DATA, tmp_path, said.append)
    assert first.accuracy == accuracy_of(first.network, DATA.test) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.safetensors"], "no state is left"
    assert said[-1] == "tiny: 100.00 % of 20 test photos"
    said.clear()
    again = trained("tiny", recipe, DATA, tmp_path, said.append)
    assert (again.accuracy, again.sha256, said) == (1, first.sha256, [])
    assert all(torch.equal(*pair) for pair in zip(first.network.parameters(), again.network.parameters(), strict=True))


class Interrupted(Exception):  # noqa: N818
    pass


def test_an_interrupted_training_ends_where_another_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY", 3)
    calls = 0

    def interrupt(photos: Tensor, rng: np.random.Generator) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise Interrupted
        return photos + 0.1 * torch.from_numpy(rng.standard_normal(photos.shape, np.float32))

    recipe = Recipe(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 6), nn.Flatten()),
                    Schedule(12, batch=8), augment=interrupt)  # fmt: skip
    with pytest.raises(Interrupted):
        trained("tiny", recipe, DATA, tmp_path / "a", lambda text: None)
    assert (tmp_path / "a" / "tiny.state").is_file()
    resumed = trained("tiny", recipe, DATA, tmp_path / "a", lambda text: None)
    assert calls == 8 + 6, "after the sixth step it was saved"
    whole = trained("tiny", recipe, DATA, tmp_path / "b", lambda text: None)
    states = resumed.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_of_other_data_or_another_training_nothing_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    trained("tiny", Recipe(linear, Schedule(2)), DATA, tmp_path, lambda text: None)
    for recipe, data in (
        (Recipe(linear, Schedule(3)), DATA),
        (Recipe(linear, Schedule(2), radius=1.0), DATA),
        (Recipe(linear, Schedule(2)), Data(two_classes(40, seed=2), DATA.test, DATA.classes)),
    ):
        with pytest.raises(UsageError, match="another training"):
            trained("tiny", recipe, data, tmp_path, lambda text: None)
    (tmp_path / "tiny.safetensors").unlink()
    save_state(tmp_path / "tiny.state", "another", linear(), [], 1)
    with pytest.raises(UsageError, match="another training"):
        trained("tiny", Recipe(linear, Schedule(2)), DATA, tmp_path, lambda text: None)


@pytest.mark.parametrize(("build", "shape", "classes", "parameters"), [
    (fully_connected, (1, 28, 28), 10, 785 * 400 + 401 * 200 + 201 * 100 + 101 * 10),
    (lenet5, (1, 28, 28), 10, 61_706),
    (robust_convolutional, (1, 28, 28), 10, 166_406),
    (mobilenet_v2, (3, 32, 32), 10, 2_236_682),
    (lambda: resnet18(10), (3, 32, 32), 10, 11_173_962),
])  # fmt: skip
def test_networks_are_as_large_as_they_are_known_to_be(
    build: object, shape: tuple[int, ...], classes: int, parameters: int
) -> None:
    network = build()  # type: ignore[operator]
    assert sum(weight.numel() for weight in network.parameters()) == parameters
    assert network.eval()(torch.rand(2, *shape)).shape == (2, classes)


def test_a_face_classifier_is_its_recognizer_and_a_layer() -> None:
    torch.manual_seed(0)
    recognizer = LightCNN9().eval().requires_grad_(False)
    faces = torch.rand(1, 1, 128, 128)
    embedding = recognizer(faces)
    for lower in (6, 8):
        classifier = FaceClassifier(recognizer, 5, lower)
        assert torch.allclose(classifier(faces), classifier.upper[-1](embedding), atol=1e-5)
        assert not any(weight.requires_grad for weight in classifier.lower.parameters())
        assert all(weight.requires_grad for weight in classifier.upper.parameters())


def test_of_a_face_classifier_the_upper_layers_alone_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = Photos(np.random.default_rng(0).integers(0, 256, (3, 1, 128, 128)).astype(np.uint8), np.array([0, 1, 0]))
    recognizer = LightCNN9()
    before = {key: value.clone() for key, value in recognizer.state_dict().items()}
    recipe = Recipe(lambda: FaceClassifier(recognizer, 2, lower=8), Schedule(2))
    trained("faces", recipe, Data(faces, faces, ("a", "b")), tmp_path, lambda text: None)
    changed = {
        key.split(".")[0] for key, value in recognizer.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed == {"fc1"}


def test_shifts_keep_what_lies_inside() -> None:
    photos = torch.zeros(6, 1, 16, 16)
    photos[:, :, 8, 8] = 1
    moved = shifted(photos, np.random.default_rng(0))
    places = [tuple(photo[0].nonzero()[0].tolist()) for photo in moved]
    assert len(set(places)) > 1
    assert all(abs(y - 8) <= 4 and abs(x - 8) <= 4 for y, x in places)
    assert all(float(photo.sum()) == 1 for photo in moved)
    lit = shifted_and_lit(0.5 * photos, np.random.default_rng(0)).amax((1, 2, 3))
    assert bool(((lit >= 0.5 / 1.4 - 1e-6) & (lit <= 0.7 + 1e-6)).all())
    rows = torch.arange(16.0).expand(6, 1, 16, 16) / 16
    slopes = shifted_or_mirrored(rows, np.random.default_rng(0))[..., 8].sub(
        shifted_or_mirrored(rows, np.random.default_rng(0))[..., 7])  # fmt: skip
    assert {float(slope) for slope in slopes[:, 0, 0]} == {1 / 16, -1 / 16}, "some are mirrored, some are not"
