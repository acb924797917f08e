"""The main job on two public-domain sample photos, with a picture of before, after and what was added."""

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from deid.errors import UsageError, how_to_install
from deid.images.difference import AMPLIFICATION, amplified_difference
from deid.images.photo import read_photo
from deid.protection import pipeline
from deid.protection.progress import Watcher, nobody_watches
from deid.protection.protector import load_protector
from deid.types import Options, PhotoResult

_TITLE_HEIGHT = 28  # pixels


def run_demo(
    folder: Path, *, say: Callable[[str], None], watcher: Watcher = nobody_watches
) -> list[tuple[PhotoResult, Path | None]]:
    """Protect the sample photos into `folder`: each result, and its side-by-side picture if it was written.

    What an earlier demo left there is replaced. Raises UsageError where the sample photos are not installed.
    """
    photos = write_samples(folder)
    options = Options(overwrite=True, seed=1)  # nothing to hide in these two: every run shows the same
    protector = load_protector(options)
    shown: list[tuple[PhotoResult, Path | None]] = []
    for photo in photos:
        say(f"protecting {photo}")
        output = photo.with_name(f"{photo.stem}-protected{photo.suffix}")
        result = pipeline.protect(photo, output, options, protector=protector, watcher=watcher)
        picture = None
        if result.output is not None:
            picture = photo.with_name(f"{photo.stem}-side-by-side.png")
            side_by_side(read_photo(photo).pixels, read_photo(output).pixels).save(picture)
        shown.append((result, picture))
    return shown


def write_samples(folder: Path) -> list[Path]:
    """Two photos of real people that ship with ordinary packages: an astronaut (PNG), Grace Hopper (JPEG)."""
    if missing := [name for name in ("skimage", "matplotlib") if importlib.util.find_spec(name) is None]:
        raise UsageError(f"the sample photos come with {' and '.join(missing)}: {how_to_install('demo')}")
    import matplotlib.cbook
    import skimage.data

    try:
        folder.mkdir(parents=True, exist_ok=True)
        astronaut, hopper = folder / "astronaut.png", folder / "grace_hopper.jpg"
        Image.fromarray(skimage.data.astronaut()).save(astronaut)
        sample = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
        shutil.copyfile(str(sample), hopper)
    except OSError as error:
        raise UsageError(f"cannot write into {folder}: {error.strerror or error}") from error
    return [astronaut, hopper]


def side_by_side(before: np.ndarray, after: np.ndarray) -> Image.Image:
    """Before, after and their difference × 10 around gray, in a row, from two uint8 pictures of one size."""
    panels = {
        "before": before,
        "after": after,
        f"perturbation x {AMPLIFICATION}": amplified_difference(before, after),
    }
    return Image.fromarray(cv2.hconcat([_titled(title, pixels) for title, pixels in panels.items()]))


def _titled(title: str, pixels: np.ndarray) -> np.ndarray:
    """A picture, gray or RGB, below its title in black on white; RGB."""
    rgb = np.array(Image.fromarray(pixels).convert("RGB"))
    panel = cv2.copyMakeBorder(rgb, _TITLE_HEIGHT, 0, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return cv2.putText(panel, title, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
