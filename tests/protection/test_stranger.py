"""The default on a real photo, checked from nothing but the files it wrote: every surrogate is asked about them."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deid.faces.align import LUMA, align_face
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.paste import DARK
from deid.images.photo import read_photo
from deid.protection.criteria import shortcoming
from deid.protection.pipeline import protect
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.protection.task import task_of
from deid.protection.verification import verify
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.types import Options, PhotoResult

SURROGATES = ("lightcnn9", "dlib-resnet", "mobilenet-vggface2", "mobilefacenet-arcface")
STRANGER = PROFILES["stranger"]
SEEDED = Options(seed=7)
Files = tuple[Path, Path, PhotoResult]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    path = tmp_path_factory.mktemp("stranger") / "in.png"
    Image.fromarray(astronaut[:240, 90:350]).save(path)
    return path


@pytest.fixture(scope="module")
def files(photo: Path) -> Files:
    """The photo, what is made of it, and what is told of that."""
    output = photo.with_name("out.png")
    return photo, output, protect(photo, output, SEEDED)


@pytest.fixture(scope="module")
def one() -> Protector:
    """With one surrogate of the four, which is faster."""
    return load_protector(SEEDED, further=())


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def embedded(name: str, pixels: np.ndarray, face: Face) -> Tensor:
    recognizer = load_recognizer(name)
    with torch.no_grad():
        return recognizer.embed(align_face(pixels, face.landmarks, recognizer.template)[None])[0]


def rank(name: str, before: Tensor, after: Tensor) -> int:
    return 1 + int((load_recognizer(name).decoys @ after > before @ after).sum())


def test_a_user_gets_it_without_asking(files: Files) -> None:
    result = files[2]
    assert (result.profile, result.method, result.outcome) == ("stranger", "feature-level", "protected")
    assert result.weights == {name: manifest()[name].sha256 for name in SURROGATES}
    (face,) = result.faces
    assert face.k is not None
    assert face.rank_after is not None
    assert face.rank_after >= face.k
    assert (face.attack, face.fallback) == ("feature-level", None)
    assert face.matches_at_far_1e_2 is False
    assert face.gradient_evaluations in np.cumsum(STRANGER.steps)
    assert face.ssim is not None
    assert face.ssim > 0.9
    asked = {opinion.name: opinion for opinion in face.recognizers}
    assert asked.keys() == {*SURROGATES, "facenet-casia"}, "and who was not attacked"
    for name in SURROGATES:
        assert (asked[name].kind, asked[name].rank_before, asked[name].recognizes) == ("surrogate", 1, False)


def recompressed(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def half_and_back(picture: Image.Image) -> Image.Image:
    half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
    return half.resize(picture.size, Image.Resampling.BICUBIC)


HANDLED = {
    "none": lambda picture: picture,
    "jpeg": lambda picture: recompressed(picture, 75),
    "half": half_and_back,
    "both": lambda picture: recompressed(half_and_back(picture), 75),
    "cropped": lambda picture: picture.crop((0, 0, round(picture.width * 0.97), round(picture.height * 0.97))),
}


@pytest.mark.parametrize("handling", HANDLED)
def test_after_no_handling_does_any_surrogate_match_or_rank_the_person_before_k(files: Files, handling: str) -> None:
    before, after = pixels_of(files[0]), np.asarray(HANDLED[handling](Image.open(files[1]).convert("RGB")))
    (clean,), (found,) = detect_faces(before), detect_faces(after)
    k = files[2].faces[0].k
    assert k is not None
    for name in SURROGATES:
        known, seen = embedded(name, before, clean), embedded(name, after, found)
        assert float(known @ seen) < load_recognizer(name).thresholds["1e-2"], name
        assert rank(name, known, seen) >= k, name
        if handling == "none" and name == "lightcnn9":
            assert rank(name, known, seen) == files[2].faces[0].rank_after


def beside(face: Face, shape: Sequence[int], reach: float) -> np.ndarray:
    """Whether a pixel lies outside of the oval around a face: half axes of 0.91 and 1.23 of the way from eyes to mouth,
    `reach` times as large, with its soft edge and two pixels for what is interpolated.
    """
    left_eye, right_eye, _, left_mouth, right_mouth = face.landmarks
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    unit = np.linalg.norm(mouth - eyes)
    across = (right_eye - left_eye) / np.linalg.norm(right_eye - left_eye)
    down = np.array([-across[1], across[0]])  # the aligned face is turned so that the line of the eyes is level
    center = eyes + down * unit / 2
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    offset = np.stack([columns, rows], -1) - center
    axes = 1.125 * reach * unit * np.array([0.91, 1.23]) + 2
    return np.hypot(offset @ across / axes[0], offset @ down / axes[1]) > 1


def rounds_of(result: PhotoResult) -> int:
    return 1 + list(np.cumsum(STRANGER.steps)).index(result.faces[0].gradient_evaluations)


def test_nothing_changes_outside_the_oval_of_the_face(files: Files) -> None:
    before, after = (pixels_of(file) for file in files[:2])
    (face,) = detect_faces(before)
    reach = STRANGER.in_round(rounds_of(files[2]) - 1).reach
    outside = beside(face, before.shape, reach)
    assert outside.mean() > 0.3
    assert np.array_equal(before[outside], after[outside])
    changed = np.any(before != after, 2)[~beside(face, before.shape, 0.7)]
    assert changed.mean() > 0.7


def test_it_is_light_and_shadow_and_no_paint(files: Files) -> None:
    """Every color of a pixel changes in its share of the luma, as far as 8 bits can tell."""
    before, after = (pixels_of(file) / 255 for file in files[:2])
    free = ((after > 0) & (after < 1)).all(2) & (before != after).any(2)
    shares = ((after + DARK) / (before + DARK))[free]
    luma = (((after - before) @ np.array(LUMA)) / (before @ np.array(LUMA) + DARK))[free] + 1
    error = np.abs(shares - luma[:, None]) * (before[free] + DARK) * 255
    assert error.max() < 2.1, "in gray levels: rounded are the color and, by up to as much in another share, the luma"
    assert np.abs(after - before).max() * 255 > 10


def test_no_pixel_changes_beyond_what_its_surroundings_hide(files: Files) -> None:
    """8 gray levels × (0.9 + σ / 0.05), of σ no more than 0.12, and most of a face is smooth skin."""
    before, after = (pixels_of(file).astype(float) @ np.array(LUMA) for file in files[:2])
    changed = np.abs(after - before)
    most = STRANGER.in_round(rounds_of(files[2]) - 1).limit
    assert most is not None
    assert changed.max() < most * 8 * (0.9 + 0.12 / 0.05) + 1, "8-bit pixels round"
    assert np.quantile(changed[changed > 0], 0.8) < most * 8 * (0.9 + 0.3)


def test_gray_photos_stay_gray(photo: Path, tmp_path: Path, one: Protector) -> None:
    gray, output = tmp_path / "gray.png", tmp_path / "out.png"
    Image.open(photo).convert("L").save(gray)
    assert protect(gray, output, SEEDED, protector=one).outcome == "protected"
    with Image.open(output) as saved:
        assert saved.mode == "L"
        assert np.any(np.asarray(saved) != np.asarray(Image.open(gray)))


def test_two_photos_of_a_person_drift_to_different_strangers(
    files: Files, tmp_path: Path, astronaut: np.ndarray, one: Protector
) -> None:
    photo, output = tmp_path / "other.png", tmp_path / "other-out.png"
    Image.fromarray(astronaut[2:240, 88:350]).save(photo)
    assert protect(photo, output, SEEDED, protector=one).outcome == "protected"
    clean, other, protected, other_protected = (
        embedded("lightcnn9", pixels, detect_faces(pixels)[0])
        for pixels in map(pixels_of, (files[0], photo, files[1], output))
    )
    assert float(clean @ other) > 0.9
    assert float(protected @ other_protected) < float(clean @ other) - 0.2


QUICK = replace(STRANGER, handlings=PROFILES["paper"].handlings)


def test_a_face_that_does_not_hold_may_change_more(files: Files, tmp_path: Path, one: Protector) -> None:
    """Far too little at first, and then about what is usual, and more."""
    narrow = replace(QUICK, budget=0.005, limit=0.2, features=0.1, reach=0.5, widening=2.0, steps=(8, 10, 26, 26))
    result = protect(files[0], tmp_path / "wider.png", SEEDED, protector=replace(one, profile=narrow))
    assert result.outcome == "protected"
    (face,) = result.faces
    assert face.gradient_evaluations in (18, 44, 70)
    assert face.ssim is not None
    assert face.ssim < 1 - 2 * 0.005


def test_what_may_show_too_little_protects_nothing_and_writes_nothing(
    files: Files, tmp_path: Path, one: Protector
) -> None:
    output = tmp_path / "too-little.png"
    bound = replace(one, profile=replace(QUICK, limit=0.05, widening=0.0, steps=(12, 8)))
    result = protect(files[0], output, SEEDED, protector=bound)
    assert (result.outcome, result.output) == ("failed", None)
    assert result.faces[0].gradient_evaluations == 20
    assert not output.exists()


def test_more_strength_shows_more(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "stranger", replace(QUICK, steps=(14,)))
    lost = []
    for strength in (0.0, 1.0):
        options = replace(SEEDED, strength=strength, write_unverified=True)
        protector = load_protector(options, further=())
        (face,) = protect(files[0], tmp_path / f"{strength}.png", options, protector=protector).faces
        assert face.ssim is not None
        lost.append(1 - face.ssim)
    # The budget is of the aligned face; limit, rounding and clipping take some of it, steps to a place add some.
    assert QUICK.budget is not None
    assert lost[1] / lost[0] == pytest.approx(4, rel=0.25)
    assert lost == pytest.approx([QUICK.budget / 2, QUICK.budget * 2], rel=0.3)


def test_what_holds_as_published_alone_does_not_pass(files: Files, tmp_path: Path, one: Protector) -> None:
    paper, options = tmp_path / "paper.png", Options(seed=2, profile="paper")
    assert protect(files[0], paper, options).outcome == "protected"
    before = read_photo(files[0])
    (found,) = one.find(before).faces
    (check,) = verify(task_of(before, [found], [2], one, "PNG"), read_photo(paper))
    assert check.published.worst_rank > 1
    assert any(seen.matches for seen in check.observations[1:])
    assert shortcoming(check, STRANGER)
