import numpy as np

from deid.images.difference import amplified_difference


def test_a_difference_is_ten_times_itself_around_middle_gray_and_stays_in_range() -> None:
    before = np.array([[100, 100, 100, 0, 255]], np.uint8)
    after = np.array([[100, 103, 95, 255, 0]], np.uint8)
    assert amplified_difference(before, after).tolist() == [[128, 158, 78, 255, 0]]
