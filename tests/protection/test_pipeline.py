"""The main job on real photos with real weights."""

import io
import socket
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.errors import CannotWrite, OutputExists, UsageError
from deid.faces.align import align_face
from deid.faces.detect import detect_faces
from deid.protection.pipeline import process_photo, protect
from deid.protection.protector import Protector, load_protector
from deid.recognizers.checkpoints import load_recognizer
from deid.types import Options, PhotoResult

SEEDED = Options(seed=2, profile="paper")  # draws k = 2, which takes fewest steps


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(SEEDED, load=cache(load_recognizer))


@pytest.fixture
def photo(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut[:300, 50:400]).save(path)
    return path


def run(path: Path, protector: Protector, output: Path | None = None) -> PhotoResult:
    return protect(path, output, protector.options, protector=protector)


def rank_in_file(saved: Path, original: Path, protector: Protector) -> list[int]:
    """Recognized from nothing but the two files, without the pipeline's own look."""
    ranks = []
    for clean, again in zip(
        detect_faces(np.asarray(Image.open(original).convert("RGB"))),
        detect_faces(np.asarray(Image.open(saved).convert("RGB"))),
        strict=True,
    ):
        template = protector.recognizer.template
        faces = [
            align_face(np.asarray(Image.open(file).convert("RGB")), face.landmarks, template)[None]
            for file, face in ((original, clean), (saved, again))
        ]
        before, after = (protector.recognizer.embed(face)[0] for face in faces)
        ranks.append(1 + int((protector.recognizer.decoys @ after > before @ after).sum()))
    return ranks


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_saved_file_has_the_rank_that_is_reported(photo: Path, protector: Protector, suffix: str) -> None:
    before = photo.read_bytes()
    output = photo.with_name("out" + suffix)
    result = run(photo, protector, output)
    (face,) = result.faces
    assert result.outcome == "protected"
    assert face.rank_before == 1
    assert face.rank_after == face.k
    assert face.exact
    assert rank_in_file(output, photo, protector) == [face.rank_after]
    assert face.ssim > 0.9
    assert face.gradient_evaluations > 0
    assert photo.read_bytes() == before
    assert result.weights == {protector.recognizer.name: protector.recognizer.sha256}


def test_pixels_outside_the_faces_are_bit_identical_and_the_face_is_not(photo: Path, protector: Protector) -> None:
    output = photo.with_name("out.png")
    (face,) = run(photo, protector, output).faces
    before, after = (np.asarray(Image.open(path)) for path in (photo, output))
    x0, y0, x1, y1 = face.box
    grow = 0.6 * max(x1 - x0, y1 - y0)
    rows, columns = np.mgrid[: before.shape[0], : before.shape[1]]
    outside = (columns < x0 - grow) | (columns > x1 + grow) | (rows < y0 - grow) | (rows > y1 + grow)
    assert outside.any()
    assert np.array_equal(before[outside], after[outside])
    assert np.any(before != after)


def test_of_two_people_only_the_chosen_one_changes(tmp_path: Path, astronaut: np.ndarray, protector: Protector) -> None:
    from matplotlib.cbook import get_sample_data

    hopper = np.asarray(Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).resize((300, 353)))
    pair = np.full((400, 650, 3), 90, np.uint8)
    pair[:353, :300] = hopper
    pair[:400, 350:] = astronaut[:400, 50:350]
    path = tmp_path / "pair.png"
    Image.fromarray(pair).save(path)
    output = tmp_path / "out.png"
    second, everyone = (replace(protector, options=replace(SEEDED, k_level=2, faces=faces)) for faces in ("2", "all"))
    result = run(path, second, output)
    assert [face.outcome for face in result.faces] == ["skipped", "protected"]
    after = np.asarray(Image.open(output))
    assert np.array_equal(after[:, :320], pair[:, :320])
    assert not np.array_equal(after[:, 350:], pair[:, 350:])
    both = run(path, everyone, tmp_path / "both.png")
    assert [face.outcome for face in both.faces] == ["protected", "protected"]
    assert {face.rank_after for face in both.faces} == {face.k for face in both.faces}
    with pytest.raises(UsageError, match="no face 3"):
        run(path, replace(protector, options=replace(SEEDED, faces="3")), tmp_path / "none.png")


def test_gray_photos_stay_gray(tmp_path: Path, astronaut: np.ndarray, protector: Protector) -> None:
    path = tmp_path / "gray.png"
    Image.fromarray(astronaut[:300, 50:400]).convert("L").save(path)
    result = run(path, protector, tmp_path / "out.png")
    assert result.outcome == "protected"
    assert Image.open(tmp_path / "out.png").mode == "L"


def test_a_face_under_forty_pixels_is_tried_and_its_outcome_told(
    tmp_path: Path, astronaut: np.ndarray, protector: Protector
) -> None:
    path = tmp_path / "small.png"
    Image.fromarray(astronaut).resize((160, 160), Image.Resampling.LANCZOS).save(path)
    result = run(path, protector, tmp_path / "out.png")
    (face,) = result.faces
    assert face.box[3] - face.box[1] < 40
    assert result.outcome in ("protected", "failed")
    assert (tmp_path / "out.png").exists() == (result.outcome == "protected")
    assert face.rank_after is not None
    assert (face.rank_after > 1) == (result.outcome == "protected")


def test_a_failure_writes_nothing_unless_asked(photo: Path, protector: Protector) -> None:
    hopeless = replace(protector, profile=replace(protector.profile, steps=(0, 0)))
    output = photo.with_name("out.png")
    failed = run(photo, hopeless, output)
    assert failed.outcome == "failed"
    assert failed.output is None
    assert not output.exists()
    assert "nothing was written" in failed.message
    asked = run(photo, replace(hopeless, options=replace(SEEDED, write_unverified=True)), output)
    assert asked.outcome == "failed"
    assert asked.output == str(output)
    assert output.exists()


def test_no_face_and_unreadable_are_outcomes(tmp_path: Path, protector: Protector) -> None:
    flat, text = tmp_path / "flat.png", tmp_path / "text.jpg"
    Image.new("RGB", (200, 200), "gray").save(flat)
    text.write_text("not a picture")
    for path, outcome in ((flat, "no-face"), (text, "unreadable"), (tmp_path / "missing.jpg", "unreadable")):
        result = run(path, protector, tmp_path / "out.png")
        assert result.outcome == outcome
        assert str(path) in result.message
        assert "\n" not in result.message
    assert not (tmp_path / "out.png").exists()


def test_a_face_number_is_no_mistake_where_there_is_no_face(tmp_path: Path, protector: Protector) -> None:
    flat = tmp_path / "flat.png"
    Image.new("RGB", (200, 200), "gray").save(flat)
    numbered = replace(protector, options=replace(SEEDED, faces="1"))
    assert run(flat, numbered, tmp_path / "out.png").outcome == "no-face"


def test_an_existing_output_and_the_input_itself_are_left_alone(photo: Path, protector: Protector) -> None:
    output = photo.with_name("out.png")
    output.write_bytes(b"mine")
    with pytest.raises(OutputExists):
        run(photo, protector, output)
    with pytest.raises(UsageError, match="never overwritten"):
        run(photo, protector, photo)
    assert output.read_bytes() == b"mine"


def test_an_unwritable_folder_is_one_clear_error(photo: Path, protector: Protector) -> None:
    (photo.parent / "file").write_text("")
    with pytest.raises(CannotWrite):
        run(photo, protector, photo.parent / "file" / "out.png")


@pytest.mark.parametrize(
    "wrong",
    [
        {"k_level": 0},
        {"method": "magic"},
        {"profile": "strong"},
        {"strength": 2},
        {"faces": "first"},
        {"faces": "0"},
        {"device": "tpu"},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError):
        load_protector(Options(**wrong))


def test_metadata_is_dropped_and_orientation_applied(
    tmp_path: Path, astronaut: np.ndarray, protector: Protector
) -> None:
    path, output = tmp_path / "turned.jpg", tmp_path / "out.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "the person's name"
    Image.fromarray(np.rot90(astronaut[:300, 50:400])).save(path, exif=exif, quality=97)
    result = run(path, protector, output)
    assert result.outcome == "protected"
    saved = Image.open(output)
    assert saved.size == (350, 300)
    assert not saved.getexif()
    assert b"the person's name" not in output.read_bytes()


def test_people_are_a_second_condition(tmp_path: Path, astronaut: np.ndarray) -> None:
    people = tmp_path / "people" / "collins"
    people.mkdir(parents=True)
    Image.fromarray(astronaut[10:310, 40:390]).save(people / "one.jpg", quality=80)
    photo = tmp_path / "photo.png"
    Image.fromarray(astronaut[:300, 50:400]).save(photo)
    options = Options(seed=3, profile="paper", people=people.parent)
    protector = load_protector(options)
    result = protect(photo, tmp_path / "out.png", options, protector=protector)
    (face,) = result.faces
    assert face.identity == "collins"
    assert (face.rank_before, face.outcome) == (1, "protected")
    assert face.rank_after == face.k
    assert rank_in_file(tmp_path / "out.png", photo, protector) == [face.k]  # self-enrolled all the same
    with pytest.raises(UsageError, match="no folder with photos"):
        load_protector(Options(people=tmp_path / "people" / "collins"))


def test_no_network_is_touched(photo: Path, protector: Protector, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert protect(photo, photo.with_name("out.png"), SEEDED).outcome == "protected"


def test_the_same_seed_draws_the_same_k(photo: Path, protector: Protector) -> None:
    hasty, draws = replace(protector, profile=replace(protector.profile, steps=(1,))), []
    process_photo(photo, Path("x.png"), hasty, lambda found: draws.append(len(found)) or [4] * len(found))
    first, second = (run(photo, hasty, photo.with_name(f"{i}.png")).faces[0].k for i in range(2))
    assert first is not None
    assert first == second
    assert draws == [1]


@pytest.mark.shared_data
def test_real_people_in_jpeg(shared_data: Path, tmp_path: Path, protector: Protector) -> None:
    from deid.experiments.photos import held_out_photos

    results = [run(path, protector, tmp_path / path.name) for path in held_out_photos(shared_data / "lfw", 2)]
    assert [result.outcome for result in results] == ["protected"] * 2
    for result in results:
        assert Image.open(io.BytesIO(Path(result.output).read_bytes())).format == "JPEG"


def _cmyk(picture: Image.Image, path: Path) -> None:
    picture.convert("CMYK").save(path, quality=95)


def _sixteen_bits(picture: Image.Image, path: Path) -> None:
    deep = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(path)


def _palette(picture: Image.Image, path: Path) -> None:
    picture.quantize(128).save(path, transparency=0)


def _alpha(picture: Image.Image, path: Path) -> None:
    picture.putalpha(200)
    picture.save(path)


def _plain(picture: Image.Image, path: Path) -> None:
    picture.save(path)


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("cmyk.jpg", _cmyk),
        ("deep.png", _sixteen_bits),
        ("palette.png", _palette),
        ("alpha.png", _alpha),
        ("photo.heic", _plain),
        ("photo.webp", _plain),
        ("photo.tif", _plain),
        ("photo.bmp", _plain),
        ("photo.gif", _plain),
    ],
)
def test_every_kind_of_picture_is_protected(
    tmp_path: Path, astronaut: np.ndarray, protector: Protector, name: str, save: object
) -> None:
    path = tmp_path / name
    save(Image.fromarray(astronaut[:300, 50:400].copy()), path)
    result = run(path, protector)
    assert result.outcome == "protected", result.message
    assert Path(result.output).suffix == (".png" if name.endswith("gif") else path.suffix)
    assert Image.open(result.output).size == (350, 300)


def test_an_animated_picture_is_refused(tmp_path: Path, astronaut: np.ndarray, protector: Protector) -> None:
    frames = [Image.fromarray(astronaut[:300, i : 350 + i]) for i in (50, 60)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    result = run(tmp_path / "moving.gif", protector)
    assert result.outcome == "unreadable"
    assert "animated" in result.message


@pytest.mark.parametrize("left", [165, 205])
def test_a_face_at_the_border(tmp_path: Path, astronaut: np.ndarray, protector: Protector, left: int) -> None:
    """Cut ever further into the face: protected, or plainly not found; never a crash, never a silent copy."""
    path, output = tmp_path / "photo.png", tmp_path / "out.png"
    Image.fromarray(astronaut[:300, left:]).save(path)
    result = run(path, protector, output)
    assert result.outcome in ("protected", "no-face")
    assert output.exists() == (result.outcome == "protected")
    if result.outcome == "protected":
        assert result.faces[0].exact
