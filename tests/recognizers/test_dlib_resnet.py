import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from deid.recognizers.dlib_resnet import load, weights_file


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return load()


def chips(picture: np.ndarray) -> np.ndarray:
    """Four 150×150 chips of a real photo, the face among them."""
    corners = [(40, 150), (60, 140), (0, 0), (300, 200)]
    return np.stack([np.ascontiguousarray(picture[y : y + 150, x : x + 150]) for y, x in corners])


def test_it_equals_dlib_on_real_chips(network: torch.nn.Module, astronaut: np.ndarray) -> None:
    import dlib

    oracle = dlib.face_recognition_model_v1(str(weights_file()))
    pictures = chips(astronaut)
    expected = np.array([oracle.compute_face_descriptor(chip) for chip in pictures])
    faces = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        found = network(faces).numpy()
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(expected[0] - expected[2]).max() > 0.01


def test_a_gradient_reaches_every_pixel_region(network: torch.nn.Module, astronaut: np.ndarray) -> None:
    faces = (torch.from_numpy(chips(astronaut)).permute(0, 3, 1, 2).float() / 255).requires_grad_(True)
    network(faces).square().sum().backward()
    assert faces.grad is not None
    blocks = torch.nn.functional.avg_pool2d(faces.grad.abs(), 30)
    assert bool((blocks > 0).all())


def test_another_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "network.dat"
    data = bytearray(weights_file().read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    with pytest.raises(ValueError, match="SHA-256"):
        load(other)


def test_every_weight_is_read_as_it_is(network: torch.nn.Module) -> None:
    """As the parser read them that searched the whole file for each layer."""
    digest = hashlib.sha256()
    for values in network.state_dict().values():
        digest.update(values.numpy().tobytes())
    assert digest.hexdigest() == "58c8187ed18a12c127e88a5ade737163324f855c03932ecdd7f7a21f5b321bdf"
