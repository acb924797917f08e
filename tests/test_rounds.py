import time

import numpy as np
import pytest

from deid.faces.detect import Face
from deid.rounds import Costs, same_face


def face(*box: float) -> Face:
    return Face(box, np.zeros((5, 2)), 1.0)


def test_the_same_face_is_the_one_that_overlaps_most_and_enough() -> None:
    original = face(0, 0, 10, 10)
    shifted, far = face(2, 0, 12, 10), face(20, 20, 30, 30)
    assert same_face(original, [far, shifted, face(5, 0, 15, 10)]) is shifted
    assert same_face(original, [far, face(6, 0, 16, 10)]) is None
    assert same_face(original, []) is None


def test_costs_inside_other_costs_count_once() -> None:
    costs = Costs()
    with costs.timed("outer"):
        with costs.timed("inner"):
            time.sleep(0.05)
        costs.add("hook", 0.01)
    assert costs.seconds["inner"] >= 0.05
    assert costs.seconds["outer"] < 0.04
    assert costs.seconds["hook"] == pytest.approx(0.01)
