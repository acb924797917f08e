import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from deid.commands import main as cli
from deid.experiments import look, look_faces
from deid.experiments.look_figures import (
    FRAME,
    WIDTHS,
    delta_e,
    figures_in,
    irises,
    line_contrast,
    outside_change,
    smooth_skin,
)  # fmt: skip
from deid.experiments.look_sheet import CAPTION_HEIGHT, FACES, GAP, page_of, pages_of, panel_of
from deid.faces.align import align_face, region_around, transform_to
from deid.faces.paste import paste
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.losses.visibility import visibility_of
from deid.protection.profiles import PROFILES
from deid.types import FaceResult, Options, PhotoResult

SIZE = FRAME.size
POINTS = np.array([[42.0, 40], [86, 40], [64, 64], [50, 88], [78, 88]])
CHEEK = (36.0, 74.0)
PEAK = 16 / 255


def plain_face() -> Tensor:
    return torch.tensor([0.8, 0.6, 0.5])[:, None, None].expand(3, SIZE, SIZE)


def blob(center: tuple[float, float], sigma: float) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return torch.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * sigma**2))


def line_across_a_cheek() -> Tensor:
    """Two pixels wide and 30 long."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return torch.exp(-0.5 * (y - CHEEK[1]) ** 2) * ((x - CHEEK[0]).abs() <= 15)


def spectacles() -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    rims = [((x - eye[0]) ** 2 + (y - eye[1]) ** 2).sqrt() - 19 for eye in POINTS[:2]]
    return torch.stack([torch.exp(-0.5 * rim**2) for rim in rims]).amax(0)


def darker(where: Tensor) -> Tensor:
    return plain_face() - PEAK * where


def test_nothing_changed_is_no_figure() -> None:
    assert figures_in(plain_face(), plain_face(), POINTS) == (0, 0, 0, 0)


def test_skin_is_off_eyes_mouth_and_what_is_rough() -> None:
    face = plain_face().clone()
    smooth = smooth_skin(face, POINTS)
    assert not (smooth & irises(POINTS)).any()
    for x, y in POINTS[[0, 1, 3, 4]].astype(int):
        assert not smooth[y, x]
    face[:, 60:90, 20:60] += 0.1 * (torch.arange(40) % 2 - 0.5)
    rough = smooth_skin(face, POINTS)
    assert smooth[74, 36]
    assert not rough[74, 36]
    assert rough[74, 92]
    face = plain_face() + torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) - 0.5
    assert smooth_skin(face, POINTS).sum() == pytest.approx(smooth.sum() / 4, rel=0.01)


def test_a_long_line_has_its_own_contrast() -> None:
    x = torch.arange(SIZE).expand(SIZE, SIZE)
    for width, nearly in zip(WIDTHS, (0.12, 0.01), strict=True):  # the wider filter sees a narrow line, too
        line = torch.exp(-0.5 * ((x - 64) / width) ** 2)[None, None]
        contrast = line_contrast(0.1 * line)
        assert float(contrast[0, 64, 64]) == pytest.approx(0.1, rel=nearly)
        assert torch.allclose(contrast, line_contrast(1 - 0.1 * line), atol=1e-4)


@pytest.mark.parametrize(("drawing", "factor"), [(line_across_a_cheek, 10), (spectacles, 20)])
def test_lines_count_many_times_what_shading_of_the_same_depth_does(drawing: Callable[[], Tensor], factor: int) -> None:
    shaded = figures_in(plain_face(), darker(blob(CHEEK, 15)), POINTS)
    drawn = figures_in(plain_face(), darker(drawing()), POINTS)
    for figure in (1, 2):
        assert drawn[figure] > factor * shaded[figure]
    assert shaded[1] < 0.5


def test_lines_on_the_mouth_count_less_the_rougher_it_is() -> None:
    lips = (16 / 255) * blob((64, 88), 2)
    assert figures_in(plain_face(), plain_face() - lips, POINTS)[1] == 0
    plain = figures_in(plain_face(), plain_face() - lips, POINTS)[2]
    rough = plain_face() + 0.04 * (2 * (torch.arange(SIZE) % 2) - 1)
    assert figures_in(rough, rough - lips, POINTS)[2] == pytest.approx(plain / 2, rel=0.03)


def test_a_blotch_is_seen_in_the_color_of_the_skin_alone() -> None:
    blotch = plain_face() + torch.tensor([0.0, -0.1, 0.0])[:, None, None] * blob(CHEEK, 12)
    skin, lines, _, iris = figures_in(plain_face(), blotch, POINTS)
    assert skin > 5
    assert lines < 0.5
    assert iris < 0.2


def test_another_iris_is_seen_in_the_eyes_alone() -> None:
    eyes = torch.from_numpy(irises(POINTS))
    skin, lines, all_lines, iris = figures_in(plain_face(), torch.where(eyes, torch.tensor(0.3), plain_face()), POINTS)
    assert (skin, lines, all_lines) == (0, 0, 0)
    assert iris > 20


def test_from_black_to_white_are_a_hundred_steps() -> None:
    assert delta_e(torch.zeros(3, 4, 5), torch.ones(3, 4, 5)) == pytest.approx(np.full((4, 5), 100.0), abs=0.01)


def test_outside_is_where_a_perturbation_has_no_room() -> None:
    clean = np.full((200, 180, 3), 128, np.uint8)
    landmarks = POINTS * 0.8 + (30, 40)
    transform = transform_to(LIGHTCNN_TEMPLATE, landmarks)
    region = region_around((200, 180), transform, SIZE)
    face = align_face(clean, landmarks, LIGHTCNN_TEMPLATE)[None]
    room = visibility_of(face, [torch.from_numpy(POINTS)], features=0.5).room[0]
    saved, beside = clean.copy(), clean.copy()
    paste(saved, 0.2 * room, transform, region)
    assert (saved != clean).any()
    assert outside_change(clean, saved, landmarks) == 0
    paste(beside, 0.2 * (1 - room), transform, region)
    assert outside_change(clean, beside, landmarks) > 20
    saved[3, 5, 1] += 7
    assert outside_change(clean, saved, landmarks) == 7
    assert outside_change(clean[:, :, 0], saved[:, :, 1], landmarks) == 7


def picture(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def test_a_page_is_as_large_as_its_largest_pictures() -> None:
    panels = [panel_of("a", picture(100, 90), (40, 30, 60, 50)), panel_of("b", picture(100, 90), (40, 30, 60, 50))]
    # 20 pixels with half as many around them, and 20 with 3 around them enlarged three times.
    assert [p.size for p in panels[0].pictures] == [(40, 40), (78, 78)]
    small = [panel_of("c", picture(100, 90), (0, 0, 10, 10))] * 2
    assert [p.size for p in small[0].pictures] == [(15, 15), (36, 36)]
    page = page_of([panels, small])
    assert page.size == (2 * (40 + GAP + 78) + 3 * GAP, 2 * CAPTION_HEIGHT + 78 + 36 + 3 * GAP)
    assert page.getpixel((GAP + 20, GAP + CAPTION_HEIGHT + 20)) == (90, 90, 90)


def test_large_faces_have_pages_of_their_own() -> None:
    large = panel_of("large", picture(500, 500), (50, 50, 450, 450))
    assert [p.size for p in large.pictures] == [(500, 500)]
    small = panel_of("small", picture(40, 40), (10, 10, 30, 30))
    pages = pages_of([[small], [large], *[[small]] * FACES])
    heights = [Image.open(io.BytesIO(page)).height for page in pages]
    row = CAPTION_HEIGHT + 3 * 26 + GAP
    assert heights == [FACES * row + GAP, row + GAP, CAPTION_HEIGHT + 500 + 2 * GAP]


@dataclass(frozen=True)
class FakeProtector:
    options: Options


@pytest.fixture
def protections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str, int | None]]:
    """Photo, profile, faces and seed of every protection; a stand-in makes the middle of the photo darker."""
    asked: list[tuple[str, str, str, int | None]] = []

    def protect(source: Path, target: Path, options: Options, *, protector: FakeProtector) -> PhotoResult:
        assert options == protector.options
        asked.append((source.name, options.profile, options.faces, options.seed))
        pixels = np.array(Image.open(source).convert("RGB"))
        height, width = pixels.shape[:2]
        pixels[height // 3 : height // 2, width // 3 : width // 2] //= 2
        Image.fromarray(pixels).save(target)
        face = FaceResult((0, 0, 9, 9), "itself", "failed", ssim=0.9)
        return PhotoResult(str(source), str(target), "failed", options.profile, options.method, 5, (face,))

    monkeypatch.setattr(look, "load_protector", FakeProtector)
    monkeypatch.setattr(look_faces, "protect", protect)
    return asked


@pytest.fixture
def eileen(tmp_path: Path, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of people, of whom one is looked at."""
    monkeypatch.setattr(look_faces, "NAMES", ("Eileen_Collins",))
    photo = tmp_path / "people" / "Eileen_Collins" / "Eileen_Collins_0001.jpg"
    photo.parent.mkdir(parents=True)
    Image.fromarray(astronaut[:256, 96:352]).save(photo)
    return photo


def test_the_look_is_drawn_and_measured_and_goes_on_where_it_was(
    eileen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protections: list[tuple[str, str, str, int | None]]
) -> None:
    monkeypatch.setattr(look_faces, "HEIGHTS", (60,))
    people, out, profiles = eileen.parents[1], tmp_path / "out", list(PROFILES)[:2]
    table = look.reproduce_look(people, [eileen], out, profiles=profiles, device="cpu")
    assert protections == [
        (photo, profile, "1", seed)
        for seed, photo in enumerate(("Eileen_Collins_0001.jpg", "Eileen_Collins_0001-60.png"))
        for profile in profiles
    ]
    assert (out / "look.md").read_text() == table
    document = json.loads((out / "look.json").read_text())
    assert list(document["profiles"]) == profiles
    assert [face["face"] for face in document["faces"]] == [
        *["Eileen Collins"] * 2,
        *["Eileen Collins 0001, 60 pixels"] * 2,
    ]
    summary = document["profiles"][profiles[0]]
    assert (summary["n"], summary["protected"]) == (2, 0)
    assert summary["ssim"] == {"median": 0.9, "worst": 0.9}
    for name in ("skin_delta_e", "lines"):
        assert summary[name]["worst"] >= summary[name]["median"] > 0
    assert table.count("| no |") == 4
    with Image.open(out / "look-1.jpg") as page:
        assert page.height > 2 * (CAPTION_HEIGHT + GAP) + 3 * 60
    assert not (out / "look-2.jpg").exists()

    monkeypatch.setattr(look, "load_protector", lambda _: pytest.fail("loaded for nothing"))
    assert look.reproduce_look(people, [eileen], out, profiles=profiles, device="cpu") == table
    assert len(protections) == 4


def test_a_sample_is_resized_to_a_height(eileen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look_faces, "HEIGHTS", (60,))
    _, small = look_faces.subjects_of(eileen.parents[1], [eileen], tmp_path, "cpu")
    assert small.face.box[3] - small.face.box[1] == pytest.approx(60, rel=0.1)


def test_all_that_is_looked_at_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["reproduce", "look", str(tmp_path), str(tmp_path / "out")]
    assert cli.run(command) == 2
    assert "Emma_Watson_0001.jpg" in capsys.readouterr().err
    assert cli.run([*command, "--profiles", "magic"]) == 2
    assert f"no profile called magic: there are {', '.join(PROFILES)}" in capsys.readouterr().err


def test_every_profile_is_looked_at_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], Sequence[str]]] = []

    def reproduce_look(people: Path, samples: Sequence[Path], out: Path, *, profiles: Sequence[str], **_: str) -> str:
        asked.append(([sample.name for sample in samples], profiles))
        return ""

    monkeypatch.setattr(look, "reproduce_look", reproduce_look)
    command = ["reproduce", "look", str(tmp_path), str(tmp_path / "out")]
    assert cli.run(command) == 0
    assert cli.run([*command, "--profiles", "one, two"]) == 0
    samples = ["astronaut.png", "grace_hopper.jpg"]
    assert asked == [(samples, []), (samples, ["one", "two"])]
