"""What a protected photo still says about where and when it was taken."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from deid.errors import UsageError
from deid.images.notes import GAIN_MAP
from deid.protection.pipeline import protect
from deid.protection.protector import load_protector
from deid.types import Options

CHANGED = 1_000_000_000_123_456_789  # in 2001
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
    picture = Image.fromarray(astronaut[:300, 50:400])
    gain_map = {"xmp": b"http://ns.adobe.com/hdr-gain-map/1.0/", "append_images": [picture]}
    picture.save(photo, "MPO", save_all=True, quality=95, exif=exif, **gain_map)
    os.utime(photo, ns=(CHANGED, CHANGED))
    result = protect(photo, output, options)
    assert result.output
    assert GAIN_MAP in result.message
    assert (output.stat().st_mtime_ns == CHANGED) == camera
    kept = Image.open(output).getexif()
    assert kept.get(ExifTags.Base.Model) == ("Pixel 8" if camera else None)
    assert kept.get_ifd(ExifTags.IFD.GPSInfo).get(2) == ((40.0, 38.0, 0.0) if place else None)
    assert b"Jane" not in output.read_bytes()


def test_a_position_without_the_other_metadata_is_refused() -> None:
    with pytest.raises(UsageError, match="keep-position needs keep-metadata"):
        load_protector(Options(keep_position=True))
