import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.commands import main as cli
from deid.experiments import detection
from deid.faces.face import Face


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
    monkeypatch.setattr(detection, "CHANGES", {name: detection.CHANGES[name] for name in changes})
    command = ["reproduce", "detection", "--people", str(shared_data / "lfw"), "--faceless", str(faceless)]
    assert cli.run([*command, "--count", "1"]) == 0
    _, _, upright, turned, _, _, _, nothing, _, ratio = capsys.readouterr().out.splitlines()
    assert upright.startswith("| upright | 1 | 100.0 %")
    assert turned.split("|")[4].strip().startswith("100.0 %"), "found by both detectors"
    assert turned.split("|")[5].strip().startswith("100.0 %"), "the right way up"
    assert nothing == "| grass | 1 | 0.000 | 0.000 |"
    assert float(ratio.split()[-1].rstrip(".")) > 1


@pytest.mark.parametrize("degrees", [45, 90, 180])
def test_a_turned_picture_has_its_landmarks_where_its_pixels_are(degrees: float) -> None:
    rgb = np.zeros((101, 101, 3), np.uint8)
    points = np.array([(40, 40), (60, 42), (50, 50), (43, 60), (58, 61)], float)
    for x, y in points.astype(int):
        rgb[y, x] = 255
    face = Face((30, 30, 70, 70), points, 1.0)
    turned, moved = detection.CHANGES[f"turned by {degrees}°"](rgb, face)
    for x, y in moved.round().astype(int):
        assert turned[y - 1 : y + 2, x - 1 : x + 2].max() > 100
