"""A face at several strengths, within seconds: small, of that face alone, and more to see the stronger."""

import numpy as np
import pytest

from deid.errors import Cancelled
from deid.faces.detect import detect
from deid.images.photo import Photo
from deid.protection import preview as module
from deid.protection.preview import preview
from deid.protection.progress import Step
from deid.protection.protector import Protector, load_protector
from deid.types import Options

STRENGTHS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(Options())


def mean_change(clean: np.ndarray, shown: np.ndarray) -> float:
    return float(np.abs(shown.astype(int) - clean).mean())


@pytest.mark.parametrize("gray", [False, True])
def test_the_stronger_the_more_is_seen(astronaut: np.ndarray, protector: Protector, gray: bool) -> None:
    pixels = astronaut[:300, 50:400]
    pixels = pixels[..., 1].copy() if gray else pixels
    (face,) = detect(pixels).faces
    before = pixels.copy()
    clean, *shown = preview(Photo(pixels), face, protector, STRENGTHS)
    assert np.array_equal(pixels, before), "the photo itself is left alone"
    x0, y0, x1, y1 = face.box
    assert clean.shape[0] >= y1 - y0
    assert clean.shape[1] >= x1 - x0
    assert clean.size < pixels.size
    assert all(picture.shape == clean.shape and picture.dtype == np.uint8 for picture in shown)
    weak, middle, strong = (mean_change(clean, picture) for picture in shown)
    assert weak > 0.1
    # Rounding to 8 bits takes from the weakest most.
    assert middle / weak == pytest.approx(2**0.5, rel=0.2)
    assert strong / middle == pytest.approx(2**0.5, rel=0.2)


def test_a_large_face_is_shown_small(astronaut: np.ndarray, protector: Protector) -> None:
    large = np.kron(astronaut[40:200, 150:290], np.ones((8, 8, 1), np.uint8))
    face = max(detect(large).faces, key=lambda face: face.area)
    pictures = preview(Photo(large), face, protector, (1.0,))
    assert max(pictures[0].shape) == module.LONGEST_SIDE
    assert mean_change(*pictures) > 0.5


def test_a_face_at_the_edge_is_shown_as_far_as_there_is_a_photo(astronaut: np.ndarray, protector: Protector) -> None:
    cut = astronaut[80:200, 180:290]
    face = max(detect(cut).faces, key=lambda face: face.area)
    clean, shown = preview(Photo(cut), face, protector, (1.0,))
    assert np.array_equal(clean, cut)
    assert mean_change(clean, shown) > 0.5


def test_whoever_watches_ends_it_at_a_step(astronaut: np.ndarray, protector: Protector) -> None:
    steps: list[Step] = []

    def watch(step: Step) -> None:
        steps.append(step)
        if step.evaluations == 2:
            raise Cancelled

    (face,) = detect(astronaut[:300, 50:400]).faces
    with pytest.raises(Cancelled):
        preview(Photo(astronaut[:300, 50:400]), face, protector, STRENGTHS, watcher=watch)
    assert [step.evaluations for step in steps] == [1, 2]
    assert steps[0].pace is not None
    assert steps[0].pace.steps == module.STEPS
