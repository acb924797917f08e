from pathlib import Path

import numpy as np
import pytest
import torch

from deid.faces.align import align_face
from deid.faces.detect import detect_faces
from deid.images.photo import read_photo
from deid.recognizers import RECOGNIZERS
from deid.recognizers.checkpoints import Entry, load_recognizer, manifest, shipped_decoys
from deid.recognizers.decoys import fit_gaussian
from deid.training.data import central_face, held_out_people


def test_the_shipped_draw_of_decoys_is_fixed_and_another_seed_is_another_draw() -> None:
    for entry in manifest().values():
        decoys = shipped_decoys(entry)
        assert decoys.shape[0] == 1000
        assert torch.allclose(decoys.norm(dim=1), torch.ones(1000), atol=1e-5)
        assert torch.equal(decoys, shipped_decoys(entry))
        assert not torch.allclose(decoys, shipped_decoys(entry, seed=1))


def test_a_gaussian_is_recovered_from_its_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.nn.functional.normalize(torch.randn(5000, 8, generator=generator) + 0.5)
    fitted = fit_gaussian(3 * base)
    assert torch.allclose(fitted["mean"], base.mean(0), atol=1e-5)
    assert torch.allclose(fitted["factor"] @ fitted["factor"].T, torch.cov(base.T), atol=1e-5)


@pytest.fixture(scope="module")
def strangers_photos(shared_data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of every fourth held-out person a photo's pixels and the landmarks of the face in its middle."""
    people = sorted(held_out_people(path.name for path in (shared_data / "lfw").iterdir() if path.is_dir()))[::4]
    photos = [read_photo(min((shared_data / "lfw" / person).glob("*.jpg"))).pixels for person in people]
    faces = [central_face(detect_faces(pixels), pixels.shape[:2]) for pixels in photos]
    return [(pixels, face.landmarks) for pixels, face in zip(photos, faces, strict=True) if face is not None]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", [name for name, entry in manifest().items() if "decoys_file" in entry.details])
def test_decoys_have_the_similarities_of_real_strangers(
    name: str, strangers_photos: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    """Held-out people against each other and against decoys: the same mean and spread, and no decoy nearer."""
    recognizer = load_recognizer(name)
    aligned = [align_face(*photo, recognizer.template) for photo in strangers_photos]
    with torch.no_grad():
        real = torch.cat([recognizer.embed(part) for part in torch.stack(aligned).split(16)])
    strangers = (real @ real.T)[~torch.eye(len(real), dtype=torch.bool)]
    decoys = real @ recognizer.decoys.T
    spread = float(strangers.std())
    assert abs(float(decoys.mean() - strangers.mean())) < 0.25 * spread
    assert 0.75 < float(decoys.std()) / spread < 1.25
    share = len(real) / len(recognizer.decoys)
    nearest_stranger = float(torch.quantile(strangers, 1 - 1e-4))
    assert float(torch.quantile(decoys.flatten(), 1 - 1e-4 * share)) < nearest_stranger + spread


def test_an_entry_without_a_gaussian_has_no_decoys() -> None:
    assert len(shipped_decoys(Entry("x", next(iter(RECOGNIZERS)), Path(), "", {}))) == 0
