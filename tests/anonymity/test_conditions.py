import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, inf, nan, tensor

from deid.anonymity.conditions import (
    condition_5,
    condition_6,
    outranked_by,
    rank_is,
    rank_is_at_least,
    rank_of,
    ranked_others,
    targets_of,
)

# Four faces, identity 0 is the true one; ranks by hand: 1, 2, 3 and, everyone else above, 4.
LOGITS = tensor(
    [
        [9.0, 5.0, 3.0, 1.0],
        [5.0, 9.0, 3.0, 1.0],
        [5.0, 7.0, 1.0, 9.0],
        [1.0, 3.0, 5.0, 2.0],
    ]
)
FACES = torch.zeros(4, 1, 2, 2)


def done(criterion, logits: Tensor) -> list[bool]:
    return criterion(FACES[: len(logits)], logits).tolist()


small = st.integers(-3, 3).map(float)  # few values, so that ties are common
rows = st.lists(st.one_of(small, st.just(-inf)), min_size=1, max_size=8)


class TestRankOf:
    def test_by_hand(self):
        assert rank_of(LOGITS, 0).tolist() == [1, 2, 3, 4]
        assert rank_of(LOGITS, tensor([0, 1, 2, 3])).tolist() == [1, 1, 4, 3]
        assert rank_of(LOGITS, tensor(1)).tolist() == rank_of(LOGITS, 1).tolist() == [2, 1, 2, 2]

    def test_views_share_the_label_of_their_face_or_have_their_own(self):
        views = torch.stack([LOGITS, LOGITS.flip(1)], dim=1)  # (4, 2, 4)
        assert rank_of(views, 0).tolist() == [[1, 4], [2, 4], [3, 1], [4, 3]]
        assert rank_of(views, tensor([0, 0, 0, 0])).tolist() == rank_of(views, 0).tolist()
        assert rank_of(views, tensor([[0, 3]] * 4)).tolist() == [[1, 1], [2, 2], [3, 3], [4, 4]]

    def test_a_tie_is_not_called_protection(self):
        assert rank_of(tensor([2.0, 2.0, 2.0]), 0).item() == 1
        assert rank_of(tensor([2.0, 2.0, 3.0]), 0).item() == 2

    @pytest.mark.parametrize("broken", [nan, -inf, inf])
    def test_a_true_logit_that_is_not_finite_is_not_called_protection(self, broken):
        assert rank_of(tensor([broken, 2.0, 1.0]), 0).item() == 1

    def test_a_broken_logit_of_another_identity_does_not_outrank(self):
        assert rank_of(tensor([1.0, nan, -inf, 0.0]), 0).item() == 1

    def test_labels_that_do_not_fit_are_refused(self):
        for label in (tensor([0, 1]), tensor([[0] * 4] * 4)):
            with pytest.raises(ValueError, match="do not fit"):
                rank_of(LOGITS, label)

    @given(small, rows, st.integers(0, 5))
    def test_masked_identities_never_outrank(self, true, others, masks):
        logits = tensor([true, *others])
        masked = tensor([true, *others, *[-inf] * masks])
        assert rank_of(masked, 0).item() == rank_of(logits, 0).item()

    @given(small, rows, st.randoms())
    def test_the_order_of_the_other_identities_does_not_matter(self, true, others, rng):
        shuffled = rng.sample(others, len(others))
        at = rng.randint(0, len(others))
        moved = tensor([*shuffled[:at], true, *shuffled[at:]])
        assert rank_of(moved, at).item() == rank_of(tensor([true, *others]), 0).item()


class TestRankIs:
    def test_by_hand(self):
        assert done(rank_is(tensor([2, 2, 2, 2]), 1.0), LOGITS) == [False, True, False, False]
        assert done(rank_is(tensor([2, 2, 3, 4]), 1.0), LOGITS) == [False, True, True, True]
        # Row 2 has 2 to spare on either side; row 3 has only 2 − 1 = 1 to its nearest.
        assert done(rank_is(tensor([2, 2, 3, 4]), 2.0), LOGITS) == [False, True, True, False]
        assert done(rank_is(tensor([2, 2, 3, 4]), 2.5), LOGITS) == [False, False, False, False]

    def test_the_margin_counts_on_both_sides(self):
        k = tensor([2])
        assert done(rank_is(k, 1.0), tensor([[5.0, 6.0, 4.0]])) == [True]
        assert done(rank_is(k, 1.0), tensor([[5.0, 5.5, 4.0]])) == [False]
        assert done(rank_is(k, 1.0), tensor([[5.0, 6.0, 4.5]])) == [False]

    def test_it_must_hold_on_every_view(self):
        good, bad = LOGITS[1], LOGITS[0]
        views = torch.stack([torch.stack(pair) for pair in ((good, good), (good, bad), (bad, bad))])
        assert done(rank_is(tensor([2, 2, 2]), 1.0), views) == [True, False, False]

    def test_another_label(self):
        assert done(rank_is(tensor([2, 2, 2, 2]), 1.0, label=1), LOGITS) == [True, False, True, True]

    def test_masked_identities_lie_below(self):
        assert done(rank_is(tensor([2]), 1.0), tensor([[5.0, 9.0, -inf, -inf]])) == [True]

    @pytest.mark.parametrize("row", [[nan, 9.0, 1.0], [-inf, 9.0, -inf], [5.0, 9.0, nan], [inf, 9.0, 1.0]])
    def test_broken_logits_are_never_done(self, row):
        assert done(rank_is(tensor([2]), 0.0), tensor([row])) == [False]

    @given(small, st.lists(small, min_size=1, max_size=6), st.integers(2, 6), st.sampled_from([0.0, 1.0, 2.0]))
    def test_against_the_sentence_it_is_written_from(self, true, others, k, margin):
        above = [other for other in others if other > true and other - true >= margin]
        below = [other for other in others if other < true and true - other >= margin]
        expected = len(above) == k - 1 and len(above) + len(below) == len(others)
        logits = tensor([[true, *others]])
        assert done(rank_is(tensor([k]), margin), logits) == [expected]
        if expected:
            assert rank_of(logits, 0).item() == k

    def test_it_leaves_no_gradient_behind(self):
        logits = LOGITS.clone().requires_grad_()
        assert not rank_is(tensor([2, 2, 2, 2]), 1.0)(FACES, logits).requires_grad

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="at least 2"):
            rank_is(tensor([2, 1]), 1.0)
        with pytest.raises(ValueError, match="whole numbers"):
            rank_is(tensor([2.0]), 1.0)
        for margin in (-0.1, inf, nan):
            with pytest.raises(ValueError, match="margin"):
                rank_is(tensor([2]), margin)
        criterion = rank_is(tensor([2]), 1.0)
        with pytest.raises(ValueError, match="1 faces got logits"):
            criterion(FACES, LOGITS)  # one k must not be stretched over four faces
        with pytest.raises(ValueError, match="without views"):
            criterion(FACES[:1], torch.zeros(1, 0, 4))
        with pytest.raises(ValueError, match="outside the 4 identities"):
            rank_is(tensor([2] * 4), 1.0, label=4)(FACES, LOGITS)


class TestOutrankedBy:
    def test_by_hand(self):
        targets = tensor([[1, -1], [1, -1], [3, 1], [1, 2]])
        assert done(outranked_by(targets), LOGITS) == [False, True, True, True]
        assert done(outranked_by(targets, margin=3.0), LOGITS) == [False, True, False, False]

    def test_every_target_must_outrank_and_others_may(self):
        logits = tensor([[5.0, 6.0, 4.0, 9.0], [5.0, 6.0, 7.0, 9.0]])
        # The second face stands at rank 4 though it was asked for rank 3: the paper's stop gives rank ≥ k.
        assert done(outranked_by(tensor([[1, 2], [1, 2]])), logits) == [False, True]
        assert rank_of(logits, 0).tolist() == [3, 4]

    def test_a_tie_does_not_outrank(self):
        assert done(outranked_by(tensor([[1]])), tensor([[5.0, 5.0]])) == [False]

    def test_it_must_hold_on_every_view(self):
        views = torch.stack([torch.stack([LOGITS[1], LOGITS[1]]), torch.stack([LOGITS[1], LOGITS[0]])])
        assert done(outranked_by(tensor([[1], [1]])), views) == [True, False]

    @pytest.mark.parametrize("row", [[nan, 9.0], [-inf, 9.0], [5.0, nan], [5.0, -inf], [inf, inf]])
    def test_broken_logits_are_never_done(self, row):
        assert done(outranked_by(tensor([[1]])), tensor([row])) == [False]

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="needs a target"):
            outranked_by(tensor([[1], [-1]]))
        with pytest.raises(ValueError, match="needs a target"):
            outranked_by(tensor([1, 2]))
        for target in (0, -2):
            with pytest.raises(ValueError, match="other than the true one"):
                outranked_by(tensor([[1, target]]))
        with pytest.raises(ValueError, match="target 4 is outside"):
            outranked_by(tensor([[4]] * 4))(FACES, LOGITS)
        with pytest.raises(ValueError, match="1 faces got logits"):
            outranked_by(tensor([[1]]))(FACES, LOGITS)


class TestRankIsAtLeast:
    def test_by_hand(self):
        logits = torch.tensor([[0.5, 0.9, 0.8, 0.1], [0.5, 0.9, 0.4, 0.1], [0.5, 0.5, 0.9, 0.1]])
        assert rank_is_at_least(torch.tensor([3, 3, 3]), 0.0)(None, logits).tolist() == [True, False, False]
        assert rank_is_at_least(torch.tensor([2, 2, 2]), 0.35)(None, logits).tolist() == [True, True, True]
        assert rank_is_at_least(torch.tensor([3, 2, 2]), 0.35)(None, logits).tolist() == [False, True, True]

    def test_it_must_hold_on_every_view_and_broken_logits_do_not(self):
        views = torch.tensor([[[0.5, 0.9], [0.5, 0.4]], [[0.5, 0.9], [0.1, 0.4]], [[nan, 0.9], [0.1, 0.4]]])
        assert rank_is_at_least(torch.tensor([2, 2, 2]), 0.0)(None, views).tolist() == [False, True, False]


class TestTargets:
    def test_others_by_hand(self):
        expected = [[1, 2, 3], [1, 2, 3], [3, 1, 2], [2, 1, 3]]
        assert ranked_others(LOGITS, 3).tolist() == expected
        assert ranked_others(LOGITS, 2).tolist() == [row[:2] for row in expected]
        assert ranked_others(LOGITS, 2, label=2).tolist() == [[0, 1], [1, 0], [3, 1], [1, 3]]

    def test_ties_keep_their_order_and_masked_identities_come_last(self):
        assert ranked_others(tensor([[0.0, -inf, 2.0, 2.0, 3.0]]), 3).tolist() == [[4, 2, 3]]
        with pytest.raises(ValueError, match="fewer than 4"):
            ranked_others(tensor([[0.0, -inf, 2.0, 2.0, 3.0]]), 4)
        with pytest.raises(ValueError, match="finite"):
            ranked_others(tensor([[0.0, nan, 2.0]]), 1)

    def test_depth_must_fit(self):
        for depth in (0, 4):
            with pytest.raises(ValueError, match="cannot rank"):
                ranked_others(LOGITS, depth)

    def test_targets_by_hand(self):
        others = ranked_others(LOGITS, 3)
        targets = targets_of(others, tensor([2, 3, 4, 2]))
        assert targets.tolist() == [[1, -1, -1], [1, 2, -1], [3, 1, 2], [2, -1, -1]]

    def test_k_must_fit(self):
        others = ranked_others(LOGITS, 2)
        for k in ([2, 2, 2, 4], [2, 2, 2]):
            with pytest.raises(ValueError, match="does not fit"):
                targets_of(others, tensor(k))
        with pytest.raises(ValueError, match="at least 2"):
            targets_of(others, tensor([2, 2, 2, 1]))

    def test_no_faces(self):
        targets = targets_of(torch.empty(0, 3, dtype=torch.int64), torch.empty(0, dtype=torch.int64))
        assert done(outranked_by(targets), torch.zeros(0, 4)) == []

    @given(st.permutations(range(8)), st.integers(2, 8))
    def test_lifting_the_targets_above_the_label_gives_rank_k(self, order, k):
        logits = tensor([order], dtype=torch.float64)
        logits[0, 0] = 10.0  # recognized
        targets = targets_of(ranked_others(logits, 7), tensor([k]))
        lifted = logits.clone()
        lifted[0, targets[0][targets[0] >= 0]] += 20.0
        assert done(outranked_by(targets, margin=1.0), lifted) == [True]
        assert done(rank_is(tensor([k]), margin=1.0), lifted) == [True]
        assert done(outranked_by(targets, margin=1.0), logits) == [False]


class TestCensus:
    def test_condition_5(self):
        assert condition_5({2: 3, 3: 1})
        assert condition_5({1: 0, 2: 3})
        assert not condition_5({1: 1, 2: 3})

    def test_condition_6(self):
        assert condition_6({2: 2, 3: 2}, K=2)
        assert condition_6({2: 3, 3: 2}, K=2)  # ⌈5/2⌉ = 3
        assert not condition_6({2: 3, 3: 1}, K=2)
        assert not condition_6({2: 1, 9: 3}, K=2)  # whatever the rank
        assert condition_6({2: 4}, K=1)

    def test_nothing_is_said_of_a_set_without_faces(self):
        with pytest.raises(ValueError, match="without faces"):
            condition_5({})
        with pytest.raises(ValueError, match="without faces"):
            condition_6({2: 0}, K=5)
        with pytest.raises(ValueError, match="at least 1"):
            condition_6({2: 1}, K=0)
