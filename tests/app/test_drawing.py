"""Frames and clicks."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.app.drawing import CHOSEN, Frame, face_at, with_frames

BOXES = {"1": (10.0, 10.0, 90.0, 90.0), "?1": (30.0, 30.0, 50.0, 50.0)}


@pytest.mark.parametrize(("at", "face"), [((15, 15), "1"), ((40, 40), "?1"), ((95, 95), None)])
def test_a_click_means_the_smallest_face_around_it(at: tuple[int, int], face: str | None) -> None:
    assert face_at(*at, BOXES, 1.0) == face
    assert face_at(at[0] / 2, at[1] / 2, BOXES, 0.5) == face


@pytest.fixture
def white(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (200, 200), "white").save(path)
    return path


def test_every_kind_of_face_looks_otherwise(white: Path) -> None:
    kinds = [Frame(BOXES["1"], "1", *kind) for kind in ((True, False), (False, False), (True, True), (False, True))]
    drawn = [with_frames(white, [frame], 1.0).tobytes() for frame in kinds]
    drawn.append(with_frames(white, kinds[:1], 1.0, corner=(150, 150)).tobytes())
    assert len(set(drawn)) == 5
    assert with_frames(white, [], 1.0).tobytes() == Image.open(white).tobytes()


@pytest.mark.parametrize("box", [(20.0, 20.0, 180.0, 180.0), (20.0, 20.0, 29.0, 180.0)])
def test_a_possible_face_s_frame_has_gaps_but_no_open_corner(white: Path, box: tuple[float, ...]) -> None:
    frames = {dashed: Frame(box, "?1", True, is_possible=dashed) for dashed in (True, False)}  # type: ignore[arg-type]
    dashed, solid = (np.asarray(with_frames(white, [frames[kind]], 1.0)) for kind in (True, False))
    side = dashed[25:176, 20], solid[25:176, 20]
    assert (side[1] == CHOSEN).all()
    share = (side[0] == CHOSEN).all(1).mean()
    assert 0.5 < share < 0.9
    for x in (round(box[0]), round(box[2])):
        assert (dashed[180, x] == CHOSEN).all()


def test_a_frame_at_the_right_edge_keeps_its_mark(white: Path) -> None:
    picture = np.asarray(with_frames(white, [Frame((190.0, 100.0, 200.0, 150.0), "drawn 1", True)], 1.0))
    assert (picture[80:100, 120:] == CHOSEN).all(2).sum() > 400
