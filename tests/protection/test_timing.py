import time

import pytest

from deid.protection.timing import Costs


def test_costs_inside_other_costs_count_once() -> None:
    costs = Costs()
    with costs.timed("outer"):
        with costs.timed("inner"):
            time.sleep(0.05)
        costs.add("hook", 0.01)
    assert costs.seconds["inner"] >= 0.05
    assert costs.seconds["outer"] < 0.04
    assert costs.seconds["hook"] == pytest.approx(0.01)
