"""What a protected photo still says about where and when it was taken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from deid.errors import UsageError
from deid.protection.pipeline import protect
from deid.protection.protector import load_protector
from deid.types import Options

BLUR = Options(method="blur", profile="paper", write_unverified=True)


@pytest.mark.parametrize(
    ("options", "camera", "place"),
    [
        (BLUR, False, False),
        (replace(BLUR, keep_metadata=True), True, False),
        (replace(BLUR, keep_metadata=True, keep_position=True), True, True),
    ],
)
def test_the_place_stays_only_if_asked_for(
    options: Options, camera: bool, place: bool, astronaut: np.ndarray, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Pixel 8"
    exif[ExifTags.Base.Artist] = "Jane Doe"
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (40.0, 38.0, 0.0)}
    photo, output = tmp_path / "in.jpg", tmp_path / "out.jpg"
    Image.fromarray(astronaut[:300, 50:400]).save(photo, quality=95, exif=exif)
    assert protect(photo, output, options).output
    kept = Image.open(output).getexif()
    assert kept.get(ExifTags.Base.Model) == ("Pixel 8" if camera else None)
    assert kept.get_ifd(ExifTags.IFD.GPSInfo).get(2) == ((40.0, 38.0, 0.0) if place else None)
    assert b"Jane" not in output.read_bytes()


def test_a_position_without_the_other_metadata_is_refused() -> None:
    with pytest.raises(UsageError, match="keep-position needs keep-metadata"):
        load_protector(Options(keep_position=True))
