"""The profile transfer on a real photo: every surrogate is asked about the file it wrote."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deid.faces.align import align_face, jittered
from deid.faces.detect import detect_faces
from deid.faces.templates import MOBILEFACENET_TEMPLATE
from deid.losses.local_contrast import visible_limit
from deid.protection.pipeline import protect
from deid.protection.profiles import PROFILES, FeatureLevelRounds
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.types import Options, PhotoResult

SURROGATES = ("lightcnn9", "dlib-resnet", "mobilenet-vggface2", "facenet-casia")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> tuple[Path, Path, PhotoResult]:
    folder = tmp_path_factory.mktemp("transfer")
    photo, output = folder / "in.png", folder / "out.png"
    Image.fromarray(astronaut[:300, 50:400]).save(photo)
    return photo, output, protect(photo, output, Options(profile="transfer", seed=7))


def test_it_says_which_recognizers_it_was_made_against(files: tuple[Path, Path, PhotoResult]) -> None:
    result = files[2]
    assert result.outcome == "protected"
    assert result.weights == {name: manifest()[name].sha256 for name in SURROGATES}
    (face,) = result.faces
    assert face.k is not None
    assert face.rank_after is not None
    assert face.rank_after >= face.k
    assert (result.method, face.attack) == ("k-a3", "feature-level"), "what ran is told beside what was asked for"


@pytest.mark.parametrize("name", SURROGATES)
def test_no_surrogate_matches_or_ranks_the_person_first(files: tuple[Path, Path, PhotoResult], name: str) -> None:
    recognizer = load_recognizer(name)
    pixels = [np.asarray(Image.open(file).convert("RGB")) for file in files[:2]]
    with torch.no_grad():
        before, after = (
            recognizer.embed(align_face(photo, detect_faces(photo)[0].landmarks, recognizer.template)[None])[0]
            for photo in pixels
        )
    assert float(before @ after) < recognizer.thresholds["1e-2"]
    assert int((recognizer.decoys @ after > before @ after).sum()) >= 1


def test_it_works_in_color_and_only_at_the_face(files: tuple[Path, Path, PhotoResult]) -> None:
    before, after = (np.asarray(Image.open(file).convert("RGB")).astype(int) for file in files[:2])
    change = after - before
    assert np.any(change[..., 0] != change[..., 2])
    _, _, x1, y1 = files[2].faces[0].box
    assert not change[int(y1) + 60 :].any()
    assert not change[:, int(x1) + 60 :].any()


def change_over_limit(photo: Path, output: Path) -> float:
    before, after = (np.asarray(Image.open(file).convert("RGB")) for file in (photo, output))
    landmarks = detect_faces(before)[0].landmarks
    clean, changed = (align_face(pixels, landmarks, MOBILEFACENET_TEMPLATE) for pixels in (before, after))
    return float(((changed - clean).abs() / visible_limit(clean[None])[0]).quantile(0.999))


def test_no_pixel_changes_beyond_what_its_surroundings_hide(files: tuple[Path, Path, PhotoResult]) -> None:
    assert [PROFILES["transfer"].limit_in(round_) for round_ in range(4)] == pytest.approx([0.91, 0.91, 1.0465, 1.183])
    assert 0.3 < change_over_limit(*files[:2]) < 1.2


def test_a_face_that_does_not_hold_may_change_more(
    files: tuple[Path, Path, PhotoResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = FeatureLevelRounds(steps=(4, 24, 12), stride=2.3 / 255, chroma=0.75)
    narrow = replace(PROFILES["transfer"], limit=0.05, narrow_rounds=1, widening=17.0, feature_level=steps)
    monkeypatch.setitem(PROFILES, "transfer", narrow)
    output = files[1].with_name("wider.png")
    assert protect(files[0], output, Options(profile="transfer", seed=7)).outcome == "protected"
    assert change_over_limit(files[0], output) > 0.3


def test_two_photos_of_a_person_drift_to_different_strangers(
    files: tuple[Path, Path, PhotoResult], astronaut: np.ndarray
) -> None:
    recognizer = load_recognizer("lightcnn9")
    photo, output = files[0].with_name("other.png"), files[1].with_name("other-out.png")
    Image.fromarray(astronaut[2:300, 48:400]).save(photo)
    assert protect(photo, output, Options(profile="transfer", seed=7)).outcome == "protected"
    with torch.no_grad():
        clean, other, protected, other_protected = (
            recognizer.embed(align_face(pixels, detect_faces(pixels)[0].landmarks, recognizer.template)[None])[0]
            for pixels in (np.asarray(Image.open(file).convert("RGB")) for file in (files[0], photo, files[1], output))
        )
    assert float(clean @ other) > 0.9
    assert float(protected @ other_protected) < float(clean @ other) - 0.2


def test_attacks_know_shipped_recognizers_alone() -> None:
    """What measures protection, an imported recognizer, can be no profile's surrogate."""
    shipped = {name for name, entry in manifest().items() if "decoys_file" in entry.details}
    assert shipped == set(SURROGATES)
    for profile in PROFILES.values():
        assert set(profile.further_surrogates) <= shipped


def test_jittered_landmarks_are_a_similarity_nearby() -> None:
    landmarks = np.array([[40.0, 40], [60, 40], [50, 50], [42, 60], [58, 60]])
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = jittered(landmarks, rng)
        distances = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (landmarks, moved)]
        ratio = distances[1][0, 1] / distances[0][0, 1]
        assert np.allclose(distances[1], ratio * distances[0])
        assert 0.87 < ratio < 1.13
        assert np.abs(moved.mean(0) - landmarks.mean(0)).max() <= 0.12 * 20 + 1e-9
