import time

import pytest

from deid.protection.timing import Timing


def test_what_is_timed_inside_counts_once() -> None:
    timing = Timing()
    with timing.timed("outer"):
        with timing.timed("inner"):
            time.sleep(0.05)
        timing.add("hook", 0.01)
    assert timing.seconds["inner"] >= 0.05
    assert timing.seconds["outer"] < 0.04
    assert timing.seconds["hook"] == pytest.approx(0.01)
