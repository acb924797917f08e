import json
import math
from dataclasses import FrozenInstanceError

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deid.anonymity.rank_pmf import rank_pmf


def test_by_hand():
    pmf = rank_pmf([3, 2, 2, 5])
    assert pmf.n == 4
    assert list(pmf.counts.items()) == [(2, 2), (3, 1), (5, 1)]
    assert [pmf.p(rank) for rank in (1, 2, 3, 4, 5)] == [0, 0.5, 0.25, 0, 0.25]
    assert pmf.effective_k == 2
    assert pmf.entropy == pytest.approx(1.5)
    assert json.loads(json.dumps(pmf.to_dict())) == {"2": 0.5, "3": 0.25, "5": 0.25}


def test_far_ranks_are_kept_and_tensors_may_be_counted():
    assert rank_pmf(torch.tensor([2, 900, 2])).counts == {2: 2, 900: 1}


def test_one_rank_tells_everything_and_an_even_split_nothing():
    assert rank_pmf([4] * 7).effective_k == 1
    assert rank_pmf([4] * 7).entropy == 0
    even = rank_pmf(list(range(2, 7)) * 8)
    assert even.effective_k == 5
    assert even.entropy == pytest.approx(math.log2(5))


def test_a_set_without_faces_has_no_pmf():
    empty = rank_pmf([])
    assert empty.n == 0
    assert empty.to_dict() == {}
    assert all(math.isnan(figure) for figure in (empty.p(1), empty.effective_k, empty.entropy))


def test_a_rank_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        rank_pmf([2, 0])


def test_it_is_frozen():
    with pytest.raises(FrozenInstanceError):
        rank_pmf([2]).n = 5  # type: ignore[misc]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=60))
def test_properties(ranks):
    pmf = rank_pmf(ranks)
    assert sum(pmf.to_dict().values()) == pytest.approx(1)
    assert 1 <= pmf.effective_k <= len(pmf.counts)
    # Entropy lies between the min-entropy and that of an even split.
    assert math.log2(pmf.effective_k) - 1e-9 <= pmf.entropy <= math.log2(len(pmf.counts)) + 1e-9
