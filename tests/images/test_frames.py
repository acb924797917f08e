import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.images.frames import GREEN, ORANGE, Frame, with_frames


def pixels_of(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (picture == color).all(axis=2)


@pytest.mark.parametrize("background", [0, 128, 255, GREEN])
def test_a_frame_is_around_its_box_and_seen_on_any_background(background) -> None:
    before = np.full((300, 400, 3), background, np.uint8)
    after = with_frames(before, [Frame((100, 120, 200, 260), "1")])
    assert np.array_equal(after[120:260, 100:200], before[120:260, 100:200])
    for row, column in ((118, 150), (261, 150), (190, 98), (190, 201)):
        assert tuple(after[row, column]) == GREEN
    rim = after[115:121, 150].reshape(-1, 3)
    assert (rim == 255).all(axis=1).any()
    assert np.array_equal(before, np.full((300, 400, 3), background, np.uint8))


def test_a_dashed_frame_has_gaps_and_all_its_corners() -> None:
    solid, dashed = (
        pixels_of(
            with_frames(np.zeros((300, 400), np.uint8), [Frame((100, 120, 200, 260), "?1", ORANGE, kind)]), ORANGE
        )
        for kind in (False, True)
    )
    bottom = slice(261, 263), slice(97, 203)
    assert solid[bottom].all()
    assert 0.4 < dashed[bottom].mean() < 0.7
    assert dashed[261, 97]
    assert dashed[261, 202]


def test_lines_and_letters_grow_with_the_picture() -> None:
    thin, thick = (
        pixels_of(
            with_frames(np.zeros((size, size, 3), np.uint8), [Frame((size / 4,) * 2 + (size / 2,) * 2, "8")]), GREEN
        )
        for size in (400, 4000)
    )
    assert thick[:, 1500].sum() == 10 / 2 * thin[:, 150].sum()  # an upper and a lower line
    assert thick.any(axis=1).argmax() < 1000 - 60  # the label above is so high
    assert 100 - 60 < thin.any(axis=1).argmax() < 100 - 12


def test_a_label_tells_numbers_apart_and_hides_neither_boxes_nor_other_labels() -> None:
    before = np.zeros((300, 400, 3), np.uint8)
    boxes = [(100, 100, 140, 150), (103, 60, 140, 97), (60, 100, 97, 150), (143, 100, 180, 150)]
    after = with_frames(before, [Frame(box, str(n)) for n, box in enumerate(boxes, 1)])
    for x0, y0, x1, y1 in boxes:
        assert not after[y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].any()
    eight, one = (with_frames(before, [Frame(boxes[0], label)]) for label in "81")
    assert not np.array_equal(eight, one)


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(st.tuples(*[st.floats(-20, 80, allow_nan=False)] * 4), max_size=4),
    st.booleans(),
)
def test_no_picture_is_too_small_and_no_box_too_odd(height: int, width: int, boxes, dashed: bool) -> None:
    frames = [Frame((min(a, c), min(b, d), max(a, c), max(b, d)), "?12", ORANGE, dashed) for a, b, c, d in boxes]
    picture = with_frames(np.zeros((height, width), np.uint8), frames)
    assert picture.shape == (height, width, 3)
    assert picture.any() == bool(boxes)


def test_a_frame_at_the_picture_s_edge_is_seen_on_every_side() -> None:
    after = pixels_of(with_frames(np.zeros((100, 100, 3), np.uint8), [Frame((0, 0, 100, 100), "1")]), GREEN)
    for side in (after[:2, 60:], after[-2:, 60:], after[60:, :2], after[60:, -2:]):
        assert side.all()
