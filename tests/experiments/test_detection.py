import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.commands import main as cli
from deid.experiments import detection, detection_protected
from deid.experiments.detection_changes import CHANGES, is_at
from deid.faces.face import Face
from deid.types import Options


@pytest.mark.shared_data
def test_the_table_counts_faces_in_their_place_and_those_where_there_is_none(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), (90, 120, 60)).save(picture, "PNG")
    faceless = tmp_path / "grass" / "test.zip"
    faceless.parent.mkdir()
    with zipfile.ZipFile(faceless, "w") as archive:
        archive.writestr("0.png", picture.getvalue())
    changes = ("upright", "turned by 180°")
    monkeypatch.setattr(detection, "CHANGES", {name: CHANGES[name] for name in changes})
    monkeypatch.setattr(detection_protected, "LARGE", (1200, 1700))  # a search of twelve megapixels takes seconds
    command = ["reproduce", "detection", "--people", str(shared_data / "lfw"), "--faceless", str(faceless)]
    assert cli.run([*command, "--count", "1", "--protected", "0"]) == 0
    out = capsys.readouterr().out
    rows = {cells[1].strip(): cells[2:-1] for line in out.splitlines() if len(cells := line.split("|")) > 3}
    upright, turned = ([cell.strip() for cell in rows[name]] for name in changes)
    assert upright[:2] == ["1", "100.0 % (2.5–100.0, N = 1)"]
    assert turned[2].startswith("100.0 %"), "found by both detectors"
    assert turned[3:] == ["0.0%", "100.0 % (2.5–100.0, N = 1)"], "and the right way up"
    assert [cell.strip() for cell in rows["grass"]] == ["1", "0.000", "0.000", "0.000"]
    assert float(rows["photos of people, 250 pixels"][-1]) > 0


@pytest.mark.shared_data
def test_a_protected_face_is_looked_at_as_others_do_and_an_unprotected_one_is_first_there(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = sorted((shared_data / "lfw").glob("A*/*_0001.jpg"))[0]
    mosaic = Options(method="pixelate", profile="paper", blur_size=1.0, write_unverified=True)
    clean = detection_protected.load_protector(mosaic)
    measured = detection_protected._of_person(photo, CHANGES["turned by 90°"], clean, 0)
    assert measured is not None
    (face,) = measured.faces
    assert (face.found, face.protected) == (True, False)
    assert face.looks > 5
    assert face.first == face.looks, "a mosaic of single pixels changes nothing"


def test_a_face_is_at_its_place_as_far_as_that_is_in_the_photo() -> None:
    landmarks = np.array([(40, 40), (60, 40), (50, 50), (42, 62), (58, 62)], float)
    assert is_at(Face((25, 20, 75, 80), landmarks, 1.0), landmarks, (100, 100))
    assert not is_at(Face((0, 20, 25, 80), landmarks, 1.0), landmarks, (100, 100))
    assert is_at(Face((25, 20, 50, 80), landmarks, 1.0), landmarks, (100, 50)), "cut off on the right"
    assert not is_at(Face((0, 0, 100, 100), landmarks * 0.2, 1.0), landmarks * 0.2, (100, 100)), "far too large"


@pytest.mark.parametrize("degrees", [45, 90, 180])
def test_a_turned_picture_has_its_landmarks_where_its_pixels_are(degrees: float) -> None:
    rgb = np.zeros((101, 101, 3), np.uint8)
    points = np.array([(40, 40), (60, 42), (50, 50), (43, 60), (58, 61)], float)
    for x, y in points.astype(int):
        rgb[y, x] = 255
    face = Face((30, 30, 70, 70), points, 1.0)
    turned, moved = CHANGES[f"turned by {degrees}°"](rgb, face)
    for x, y in moved.round().astype(int):
        assert turned[y - 1 : y + 2, x - 1 : x + 2].max() > 100
