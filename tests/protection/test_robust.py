"""The profile robust on a real photo, checked from nothing but the files it wrote."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deid.errors import UsageError
from deid.faces.align import align_face
from deid.faces.chain import FaceChain, View
from deid.faces.detect import detect_faces
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.images.photo import read_photo
from deid.losses.local_contrast import visible_limit
from deid.protection.criteria import shortcoming
from deid.protection.pipeline import protect
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.protection.rank_objective import RankingGoal, exact_on_views, targets_on_views
from deid.protection.rounds import run_rounds
from deid.protection.task import task_of
from deid.protection.verification import verify
from deid.recognizers.gallery import Enrollment
from deid.types import Options, PhotoResult

ROBUST = Options(seed=7)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> tuple[Path, Path, PhotoResult, Protector]:
    folder = tmp_path_factory.mktemp("robust")
    photo, output = folder / "in.png", folder / "out.jpg"
    Image.fromarray(astronaut[:300, 50:400]).save(photo)
    protector = load_protector(ROBUST)
    return photo, output, protect(photo, output, ROBUST, protector=protector), protector


def test_robust_is_what_a_user_gets_without_asking(files: tuple[Path, Path, PhotoResult, Protector]) -> None:
    assert Options().profile == "robust"
    result = files[2]
    assert (result.profile, result.outcome) == ("robust", "protected")
    (face,) = result.faces
    assert face.exact
    assert face.matches_at_far_1e_2 is False
    assert face.ssim is not None
    assert face.ssim > 0.95


def recompressed(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("handling", ["none", "jpeg", "half", "both", "cropped"])
def test_the_rank_holds_and_nothing_matches_after_handling(
    files: tuple[Path, Path, PhotoResult, Protector], handling: str
) -> None:
    photo, output, result, protector = files
    picture = Image.open(output).convert("RGB")
    if handling in ("half", "both"):
        half = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BICUBIC)
        picture = half.resize(picture.size, Image.Resampling.BICUBIC)
    if handling in ("jpeg", "both"):
        picture = recompressed(picture, 75)
    if handling == "cropped":
        picture = picture.crop((0, 0, round(picture.width * 0.97), round(picture.height * 0.97)))
    clean, handled = (np.asarray(Image.open(photo).convert("RGB")), np.asarray(picture))
    recognizer = protector.recognizer
    with torch.no_grad():
        before, after = (
            recognizer.embed(align_face(pixels, detect_faces(pixels)[0].landmarks, recognizer.template)[None])[0]
            for pixels in (clean, handled)
        )
    similarity = float(before @ after)
    assert similarity < recognizer.thresholds["1e-2"]
    assert 1 + int((recognizer.decoys @ after > similarity).sum()) == result.faces[0].k


def test_a_profile_checks_the_file_as_it_is_first_of_all() -> None:
    for profile in PROFILES.values():
        assert next(iter(profile.handlings)) == "as published"
        assert set(profile.rehearsed) < set(profile.handlings)


def test_what_holds_as_published_alone_does_not_pass_as_robust(
    tmp_path: Path, astronaut: np.ndarray, files: tuple[Path, Path, PhotoResult, Protector]
) -> None:
    photo, paper = files[0], tmp_path / "paper.png"
    options = Options(seed=7, profile="paper")
    protector = load_protector(options)
    assert protect(photo, paper, options, protector=protector).outcome == "protected"
    before = read_photo(photo)
    (found,) = protector.find(before).faces
    task = replace(task_of(before, [found], [2], protector, "PNG"), profile=PROFILES["robust"])
    (check,) = verify(task, read_photo(paper))
    assert check.published.worst_rank > 1
    assert any(seen.matches for seen in check.observations[1:])
    assert shortcoming(check, PROFILES["robust"])


def test_exactness_is_asked_of_the_file_as_published_at_last(
    files: tuple[Path, Path, PhotoResult, Protector],
) -> None:
    protector = files[3]
    photo = read_photo(files[0])
    task = task_of(photo, protector.find(photo).faces, [2], protector, "PNG")
    attempt = run_rounds(replace(task, profile=replace(PROFILES["robust"], strict_rounds=0)))
    assert not shortcoming(attempt.checks[0], PROFILES["robust"])
    assert attempt.checks[0].published.ranks[0] == (2,)


def test_which_columns_of_the_scores_show_the_file_as_published(
    files: tuple[Path, Path, PhotoResult, Protector],
) -> None:
    protector = files[3]
    (found,) = protector.find(read_photo(files[0])).faces
    points = [found.face.landmarks] * 2
    template = protector.recognizer.template
    chain = FaceChain([read_photo(files[0]).pixels] * 2, points, template, torch.device("cpu"))
    chain.add_view(1, View(points[0], handling="JPEG 75"))
    chain.add_view(1, View(points[0]))
    single, double = ([Enrollment("itself", found.embedding)] * count for count in (1, 2))
    goals = [RankingGoal(protector.surrogates[0], [double, double], torch.ones(2, 1, dtype=torch.int64)),
             RankingGoal(protector.surrogates[0], [single, single], torch.ones(2, 1, dtype=torch.int64))]  # fmt: skip
    shown = exact_on_views(goals, chain, torch.arange(2), handled=False)
    assert shown.shape == targets_on_views(goals, chain, torch.arange(2)).shape[:2]
    assert shown[0].all(), "a face with fewer views repeats them"
    assert shown[1].tolist() == [True, True, False, False, True, True, True, False, True]


def change_over_limit(before: np.ndarray, after: np.ndarray) -> float:
    """The 99.9th percentile of the aligned face's change, in units of what its surroundings hide."""
    landmarks = detect_faces(before)[0].landmarks
    clean, changed = (align_face(pixels, landmarks, LIGHTCNN_TEMPLATE) for pixels in (before, after))
    return float(((changed - clean).abs() / visible_limit(clean[None])[0]).quantile(0.999))


def test_a_hard_cap_holds_where_the_profile_has_a_wider_one(
    tmp_path: Path, files: tuple[Path, Path, PhotoResult, Protector]
) -> None:
    before, output = read_photo(files[0]).pixels, tmp_path / "out.png"
    options = Options(seed=7, profile="paper", max_visibility=0.7)
    assert protect(files[0], output, options).outcome == "protected"
    assert 0.5 < change_over_limit(before, read_photo(output).pixels) < 0.85  # 1.4 without; 8-bit pixels round


def test_a_cap_too_low_protects_nothing_and_writes_nothing(
    tmp_path: Path, files: tuple[Path, Path, PhotoResult, Protector], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cap that widened as the profile's own limit does would be wide enough in the third round.
    monkeypatch.setitem(PROFILES, "paper", replace(PROFILES["paper"], rounds=3, steps=15, widening=25.0))
    free, capped = tmp_path / "free.png", tmp_path / "capped.png"
    options = Options(seed=7, k_level=1, profile="paper")
    assert protect(files[0], free, options).outcome == "protected"
    assert protect(files[0], capped, replace(options, max_visibility=0.02)).outcome == "failed"
    assert not capped.exists()


def test_a_profiles_own_limit_widens_for_the_faces_that_need_it(
    tmp_path: Path, files: tuple[Path, Path, PhotoResult, Protector], monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = replace(PROFILES["paper"], limit=0.3, widening=2.4)
    monkeypatch.setitem(PROFILES, "paper", narrow)
    assert [narrow.limit_in(round_) for round_ in range(3)] == pytest.approx([0.3, 1.02, 1.74])
    output = tmp_path / "out.png"
    assert protect(files[0], output, Options(seed=7, k_level=1, profile="paper")).outcome == "protected"
    assert 0.5 < change_over_limit(read_photo(files[0]).pixels, read_photo(output).pixels) < 1.3


@pytest.mark.parametrize("options", [Options(max_visibility=0), Options(max_visibility=float("nan"))])
def test_caps_that_make_no_sense_are_refused(options: Options) -> None:
    with pytest.raises(UsageError, match="max-visibility must be above 0"):
        load_protector(options)


def test_a_blur_takes_no_cap() -> None:
    with pytest.raises(UsageError, match="not for blur"):
        load_protector(Options(method="blur", max_visibility=1))
