"""Boxes and clicks."""

from pathlib import Path

import pytest
from PIL import Image

from deid.app.drawing import face_at, with_boxes

BOXES = [(10.0, 10.0, 90.0, 90.0), (30.0, 30.0, 50.0, 50.0)]


@pytest.mark.parametrize(("at", "face"), [((15, 15), 1), ((40, 40), 2), ((95, 95), None)])
def test_a_click_means_the_smallest_face_around_it(at: tuple[int, int], face: int | None) -> None:
    assert face_at(*at, BOXES, 1.0) == face
    assert face_at(at[0] / 2, at[1] / 2, BOXES, 0.5) == face


def test_a_chosen_face_looks_otherwise_than_one_left_out(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (200, 200), "white").save(path)
    drawn = {chosen: with_boxes(path, BOXES, 1.0, chosen).tobytes() for chosen in ((), (1,), (1, 2))}
    assert len(set(drawn.values())) == 3
    assert with_boxes(path, [], 1.0, ()).tobytes() == Image.open(path).tobytes()
