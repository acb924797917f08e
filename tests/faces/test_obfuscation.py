"""Blur and mosaic: on arrays first, then as methods of the main job, on a real photo with real weights."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deid.batch.folder import protect_folder
from deid.commands import main as cli
from deid.errors import UsageError
from deid.faces.align import align_face, lightcnn_transform, scale_of
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.obfuscation import OBFUSCATIONS, STRENGTHS
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.methods import STRONGEST, WEAKEST
from deid.protection.pipeline import process_photo, protect
from deid.protection.protector import load_protector
from deid.types import Options

METHODS = list(OBFUSCATIONS)
# A face of the template's own size, its eyes and mouth 48 pixels apart, with the frame's corner at (16, 16).
UPRIGHT = np.array([[64.0, 56], [96, 56], [80, 80], [66, 104], [94, 104]])


@pytest.fixture(scope="module")
def face() -> Face:
    from skimage.data import astronaut

    return detect_faces(np.asarray(astronaut()))[0]


@pytest.fixture
def photo(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut[:300, 50:400]).save(path)
    return path


def frame_of(landmarks: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Which pixels of a photo lie in the face's aligned frame: bool (H, W)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    aligned = np.stack([columns, rows, np.ones_like(rows)], -1) @ lightcnn_transform(landmarks).T
    return ((aligned > 0) & (aligned < LIGHTCNN_TEMPLATE.size - 1)).all(-1)


def after(method: str, pixels: np.ndarray, landmarks: np.ndarray, **strength: float) -> np.ndarray:
    changed = pixels.copy()
    OBFUSCATIONS[method](changed, landmarks, **strength)
    return changed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("gray", [False, True])
def test_only_the_face_changes(astronaut: np.ndarray, face: Face, method: str, gray: bool) -> None:
    pixels = np.asarray(Image.fromarray(astronaut).convert("L")) if gray else astronaut
    changed = after(method, pixels, face.landmarks)
    inside = frame_of(face.landmarks, pixels.shape)
    assert changed.shape == pixels.shape
    assert changed.dtype == np.uint8
    assert np.array_equal(changed[~inside], pixels[~inside])
    assert np.mean(changed[inside] != pixels[inside]) > 0.5


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("factor", "tolerance"), [(0.5, 0.5), (2, 0.25), (5, 0.25)])
def test_a_face_of_another_size_looks_alike(
    astronaut: np.ndarray, face: Face, method: str, factor: float, tolerance: float
) -> None:
    """In a small photo a cell is a few pixels, and its edges are whole pixels: less alike."""
    size = (round(512 * factor),) * 2
    other = np.asarray(Image.fromarray(astronaut).resize(size, Image.Resampling.BICUBIC))
    landmarks = (face.landmarks + 0.5) * factor - 0.5
    clean = align_face(astronaut, face.landmarks, LIGHTCNN_TEMPLATE)
    hidden = align_face(after(method, astronaut, face.landmarks), face.landmarks, LIGHTCNN_TEMPLATE)
    hidden_there = align_face(after(method, other, landmarks), landmarks, LIGHTCNN_TEMPLATE)
    assert float((hidden - hidden_there).abs().mean()) < tolerance * float((hidden - clean).abs().mean())


def test_blur_is_the_blur_of_the_whole_photo_where_the_mask_is_full(rng_photo: np.ndarray) -> None:
    from scipy.ndimage import gaussian_filter

    changed = after("blur", rng_photo, UPRIGHT, strength=3.0)
    expected = gaussian_filter(rng_photo.astype(float), (3.0, 3.0, 0), mode="nearest")
    assert np.abs(changed[40:120, 40:120] - expected[40:120, 40:120]).max() < 2


def test_a_wide_blur_of_a_large_face_is_that_blur_too(astronaut: np.ndarray) -> None:
    from scipy.ndimage import gaussian_filter

    changed = after("blur", astronaut, UPRIGHT * 3, strength=10.0)
    expected = gaussian_filter(astronaut.astype(float), (30.0, 30.0, 0), mode="nearest")
    assert np.abs(changed[120:360, 120:360] - expected[120:360, 120:360]).max() < 4


def test_a_mosaic_is_the_means_of_its_cells(rng_photo: np.ndarray) -> None:
    changed = after("pixelate", rng_photo, UPRIGHT, strength=8.0)
    # The eyes' center lies at (80, 56), where a cell begins.
    cells = rng_photo[40:120, 40:120].reshape(10, 8, 10, 8, 3).mean((1, 3))
    assert np.array_equal(changed[40:120, 40:120], np.rint(cells).astype(np.uint8).repeat(8, 0).repeat(8, 1))


@pytest.fixture
def rng_photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)


@settings(max_examples=60)
@given(
    method=st.sampled_from(METHODS),
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    color=st.booleans(),
    scale=st.floats(0.05, 3),
    shift=st.tuples(st.floats(-80, 80), st.floats(-80, 80)),
    turn=st.floats(-np.pi, np.pi),
    strength=st.floats(WEAKEST, STRONGEST),
    level=st.integers(0, 255),
)
def test_any_photo_face_and_strength(
    method: str,
    size: tuple[int, int],
    color: bool,
    scale: float,
    shift: tuple,
    turn: float,
    strength: float,
    level: int,
) -> None:
    """Faces of any size, anywhere, partly or wholly outside the photo: a flat photo stays as it is, others in range."""
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = (UPRIGHT * scale) @ rotation.T + np.array(shift)
    shape = (*size, 3) if color else size
    flat = np.full(shape, level, np.uint8)
    assert np.array_equal(after(method, flat, landmarks, strength=strength), flat)
    noise = np.random.default_rng(level).integers(100, 141, shape, dtype=np.uint8)
    changed = after(method, noise, landmarks, strength=strength)
    assert changed.shape == shape
    assert changed.min() >= 100
    assert changed.max() <= 140
    outside = ~frame_of(landmarks, size)
    assert np.array_equal(changed[outside], noise[outside])


@pytest.mark.parametrize("method", METHODS)
def test_the_saved_file_and_its_record(photo: Path, method: str) -> None:
    output = photo.with_name("out.png")
    protector = load_protector(Options(method=method, profile="paper", write_unverified=True))

    def never(_: object) -> list[int]:
        raise AssertionError("a k was drawn")

    processed = process_photo(photo, output, protector, never)
    (record,) = processed.result.faces
    assert processed.result.method == method
    assert (record.k, record.exact, record.gradient_evaluations, record.rank_before) == (None, False, 0, 1)
    assert record.outcome == processed.result.outcome == ("failed" if record.rank_after == 1 else "protected")
    assert record.similarity_after < record.similarity_before
    assert 0 < record.ssim < 0.95
    assert 0 < record.cw_ssim < 1
    assert 10 < record.psnr < 40
    assert record.matches_at_far_1e_2 is not None
    before, saved = (np.asarray(Image.open(file)) for file in (photo, io.BytesIO(processed.data)))
    inside = frame_of(processed.found[0].face.landmarks, before.shape)
    assert np.array_equal(saved[~inside], before[~inside])
    assert np.any(saved[inside] != before[inside])


@pytest.mark.parametrize("method", METHODS)
def test_too_weak_fails_and_writes_nothing_unless_asked(photo: Path, capsys, method: str) -> None:
    output = photo.with_name("out.png")
    command = ["photo", str(photo), "-o", str(output), "--method", method, "--profile", "paper", "--blur-size", "1"]
    assert cli.run(command) == 4
    assert not output.exists()
    out, err = capsys.readouterr()
    assert "NOT PROTECTED, as published still matched by lightcnn9, SSIM" in out
    assert "by design" not in out
    assert "protection is against" not in out, "nothing was written"
    assert err.splitlines()[-1].endswith(
        "face 1 could not be protected (as published, it is still recognized), so nothing was written"
    )
    assert cli.run([*command, "--write-unverified", "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert (document["outcome"], document["output"], document["method"]) == ("failed", str(output), method)
    assert output.exists()


@pytest.mark.parametrize("method", METHODS)
def test_strong_enough_protects_a_gray_photo(photo: Path, method: str) -> None:
    gray, output = photo.with_name("gray.png"), photo.with_name("out.png")
    Image.open(photo).convert("L").save(gray)
    result = protect(gray, output, Options(method=method, profile="paper", blur_size=40.0))
    assert result.outcome == "protected"
    assert result.faces[0].rank_after > 1
    assert Image.open(output).mode == "L"


def test_a_folder_goes_on_and_counts_ranks(photo: Path, capsys, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "published"
    photos.mkdir()
    photo.rename(photos / "one.png")
    options = Options(method="blur", profile="paper", blur_size=1.0, write_unverified=True)
    first = protect_folder(photos, out, options)
    assert first.counts == {"failed": 1}
    assert first.pmf == {"1": 1.0}
    arguments = ["folder", str(photos), str(out), "--method", "blur", "--blur-size", "1", "--profile", "paper"]
    assert cli.run([*arguments, "--write-unverified"]) == 4
    shown = capsys.readouterr().out
    assert "share of the faces at each rank: 1: 100%" in shown
    assert "No face is protected" in shown


@pytest.mark.parametrize("method", ["feature-level", "k-a3", "i-fgvm"])
def test_attacks_take_no_blur_size(photo: Path, capsys, method: str) -> None:
    assert cli.run(["photo", str(photo), "--method", method, "--blur-size", "4"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"deid: blur-size is for blur and pixelate, not for {method}"


@pytest.mark.parametrize("size", [0.0, -1.0, 0.4, 65.0, float("nan"), float("inf")])
def test_sizes_that_make_no_sense_are_refused(size: float) -> None:
    with pytest.raises(UsageError, match=r"blur-size must be between 0\.5 and 64"):
        load_protector(Options(method="blur", blur_size=size))


def test_who_gives_a_blur_s_size_as_its_strength_is_told(photo: Path, capsys) -> None:
    assert cli.run(["photo", str(photo), "--method", "blur", "--strength", "8"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "deid: strength must be between 0 and 1, not 8"


def test_the_help_knows_the_methods_and_their_sizes(capsys) -> None:
    cli.run(["photo", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "feature-level; k-a3 or i-fgvm (paper's); blur or pixelate" in words
    assert "blur ({blur:g} by default) or pixelate ({pixelate:g})".format(**STRENGTHS) in words


def test_strength_is_measured_in_the_template() -> None:
    assert scale_of(lightcnn_transform(UPRIGHT)) == pytest.approx(1)
