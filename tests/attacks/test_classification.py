"""Objectives and criteria of classifiers, on rows computed by hand."""

import pytest
import torch

from deid.attacks.classification import classified_as, cross_entropy, lead_of, logit_difference, misclassified

LOGITS = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 1.0, 0.0]])
LABELS = torch.tensor([0, 0, 1])
ROWS = torch.arange(3)


def test_leads() -> None:
    assert lead_of(LOGITS, LABELS).tolist() == [1.0, -3.0, 0.0]


def test_a_tie_is_no_success() -> None:
    assert misclassified(LABELS)(LOGITS, LOGITS).tolist() == [False, True, False]
    assert misclassified(LABELS, 3.0)(LOGITS, LOGITS).tolist() == [False, False, False]
    assert classified_as(torch.tensor([0, 1, 0]))(LOGITS, LOGITS).tolist() == [True, True, False]
    assert classified_as(torch.tensor([0, 1, 0]), 1.5)(LOGITS, LOGITS).tolist() == [False, True, False]


def test_nan_is_no_success() -> None:
    logits = torch.tensor([[torch.nan, 1.0], [0.0, torch.nan]])
    labels = torch.tensor([0, 0])
    assert not misclassified(labels)(logits, logits).any()
    assert not classified_as(1 - labels)(logits, logits).any()


def test_differences_are_0_where_it_is_done() -> None:
    assert logit_difference()(LOGITS, LABELS, ROWS).tolist() == [1.0, 0.0, 0.0]
    assert logit_difference(confidence=0.5)(LOGITS, LABELS, ROWS).tolist() == [1.5, 0.0, 0.5]
    assert logit_difference(torch.tensor([1, 1, 2]))(LOGITS, LABELS, ROWS).tolist() == [1.0, 0.0, 1.0]


def test_targets_are_of_the_rows_that_are_seen() -> None:
    targets = torch.tensor([1, 1, 2])
    for objective in (logit_difference(targets), cross_entropy(targets)):
        whole = objective(LOGITS, LABELS, ROWS)
        assert torch.equal(objective(LOGITS[1:], LABELS[1:], ROWS[1:]), whole[1:])


def test_cross_entropy_is_minus_the_logarithm_of_the_probability() -> None:
    probability = LOGITS.softmax(1)
    assert cross_entropy()(LOGITS, LABELS, ROWS).tolist() == pytest.approx(
        probability.gather(1, LABELS[:, None])[:, 0].log().tolist()
    )
    toward = cross_entropy(torch.tensor([2, 2, 2]))(LOGITS, LABELS, ROWS)
    assert toward.tolist() == pytest.approx((-probability[:, 2].log()).tolist())
