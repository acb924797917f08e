"""When a face, and when a set of faces, counts as de-identified.

Per face: the rank of the true identity y, read off the logits, as criteria that the attacks stop on. Per set:
the ranking condition (5) and the K-anonymity condition (6) of K-A³ (Mygdalis, Tefas, Pitas, Neural Networks
124, 2020).

Logits are scores of M identities, larger is more alike; -inf masks an identity, which then never outranks
anyone. Doubt always counts against protection: a tie, a NaN or a masked true identity is never a reason to
call a face safe.
"""

from collections.abc import Callable, Mapping

from torch import Tensor, arange, cat, nan

Criterion = Callable[[Tensor, Tensor], Tensor]
"""`(faces (N, C, H, W), logits (N, M) or (N, V, M)) -> bool (N,)`: which faces are done.

V are views of one face (alignments, enrollments); a face is done when the criterion holds on all of them.
"""

Counts = Mapping[int, int]
"""Rank → number of faces published at that rank."""

NO_TARGET = -1
"""Fills the rows of a target tensor that have fewer targets than the longest one."""


def rank_of(logits: Tensor, label: Tensor | int) -> Tensor:
    """Rank of the true identity: 1 + the number of identities with a strictly larger logit.

    logits (..., M); label: one index for all, or integers of shape (...) or of a leading part of it (one a
    face, used for all its views). Returns int64 (...), from 1 (recognized) to M.

    A tie leaves the true identity ahead: a recognizer may name either, so «not at rank 1» must not be
    claimed. For the same reason a true identity whose own logit is not finite is at rank 1. Raises ValueError
    if the label's shape does not fit.
    """
    if isinstance(label, Tensor) and label.ndim:
        if label.shape != logits.shape[: label.ndim] or label.ndim >= logits.ndim:
            raise ValueError(f"labels {tuple(label.shape)} do not fit logits {tuple(logits.shape)}")
        index = label.to(logits.device)[(...,) + (None,) * (logits.ndim - label.ndim)]
        true = logits.gather(-1, index.expand(*logits.shape[:-1], 1))
    else:
        true = logits[..., int(label), None]
    return 1 + ((logits > true) & true.isfinite()).sum(dim=-1)


def rank_is(k: Tensor, margin: float, label: int = 0) -> Criterion:
    """Criterion «the true identity stands exactly at rank k, with a margin on both sides», on every view.

    k: integers (N,), each at least 2; margin: at least 0, in units of the logits; label: index of the true
    identity in every row. Exactly k−1 identities lie at least `margin` above it and all the others at least
    `margin` below it. With margin 0 a tie with the true identity fails, so that done implies `rank_of` = k.

    The paper stops at rank ≥ k (see `outranked_by`); rank = k is what makes the set's pmf the one drawn.
    Raises ValueError for k < 2 or a bad margin, and when called with logits of another shape or another N.
    """
    _check_margin(margin)
    _check_groups(k)

    def criterion(faces: Tensor, logits: Tensor) -> Tensor:
        _check_logits(logits, len(k))
        gaps = _gaps(logits, label)
        others_above = _per_face(k.to(logits.device) - 1, logits)
        above = (gaps >= margin).sum(dim=-1)
        below = (gaps <= -margin).sum(dim=-1)
        # Both are counted, rather than «not above», so that a NaN and, at margin 0, a tie fail.
        return _on_all_views((above == others_above) & (below == gaps.shape[-1] - others_above))

    return criterion


def rank_is_at_least(k: Tensor, margin: float, label: int = 0) -> Criterion:
    """Criterion «at least k−1 others lie `margin` or more above the true identity», on every view.

    k: integers (N,), each at least 2. The paper's stop, whoever the others are. A tie at margin 0 fails.
    """
    _check_margin(margin)
    _check_groups(k)

    def criterion(faces: Tensor, logits: Tensor) -> Tensor:
        _check_logits(logits, len(k))
        gaps = _gaps(logits, label)
        above = ((gaps >= margin) & (gaps > 0)).sum(dim=-1)
        return _on_all_views(above >= _per_face(k.to(logits.device) - 1, logits))

    return criterion


def outranked_by(targets: Tensor, margin: float = 0.0, label: int = 0) -> Criterion:
    """Criterion of the paper's stop: each target r(2..k) outranks the true identity, on every view.

    targets: indices (N, T), rows filled up with -1 (`targets_of`); margin: at least 0, in units of the
    logits; label: index of the true identity in every row. Each target's logit must be strictly larger and at
    least `margin` larger. It gives rank ≥ k, not rank = k: identities outside the targets may lie above as
    well.

    Raises ValueError for a bad margin, a row without a target (it would be done without being touched), a
    target that is the label, and when called with logits of another shape, another N or too few identities.
    """
    _check_margin(margin)
    is_target = targets != NO_TARGET
    if targets.ndim != 2 or not bool(is_target.any(dim=1).all()):
        raise ValueError(f"each face needs a target; the targets have shape {tuple(targets.shape)}")
    if bool(((targets == label) | (targets < NO_TARGET)).any()):
        raise ValueError("a target must be the index of an identity other than the true one")
    largest = int(targets.max()) if len(targets) else NO_TARGET

    def criterion(faces: Tensor, logits: Tensor) -> Tensor:
        _check_logits(logits, len(targets))
        if largest >= logits.shape[-1]:
            raise ValueError(f"target {largest} is outside the {logits.shape[-1]} identities")
        index = _per_face(targets.to(logits.device), logits).expand(*logits.shape[:-1], targets.shape[1])
        gaps = logits.detach().gather(-1, index.clamp(min=0)) - _finite_true(logits, label)
        return _on_all_views(((gaps >= margin) & (gaps > 0) | (index == NO_TARGET)).all(dim=-1))

    return criterion


def ranked_others(clean_logits: Tensor, depth: int, label: int = 0) -> Tensor:
    """The other identities by their rank for the clean face: r(2), r(3), …, r(depth + 1).

    clean_logits (N, M), label: index of the true identity in every row, depth ≥ 1. Returns indices, int64 (N,
    depth), the most alike first, the lower index first where logits tie. Raises ValueError if some face has
    fewer than `depth` other identities with a finite logit.
    """
    if clean_logits.ndim != 2 or not 1 <= depth < clean_logits.shape[1]:
        raise ValueError(f"cannot rank {depth} others in logits of shape {tuple(clean_logits.shape)}")
    others, order = _others(clean_logits, label).sort(dim=1, descending=True, stable=True)
    if not bool(others[:, :depth].isfinite().all()):
        raise ValueError(f"fewer than {depth} other identities with a finite logit")
    indices = arange(clean_logits.shape[1], device=clean_logits.device)
    return _others(indices, label)[order[:, :depth]]


def targets_of(others: Tensor, k: Tensor) -> Tensor:
    """The targets r(2..k) of each face.

    others (N, T): `ranked_others`; k: integers (N,) from 2 to T + 1. Returns int64 (N, T): the first k−1 of
    each row, then -1. Raises ValueError if k is outside that range.
    """
    _check_groups(k)
    depth = others.shape[1]
    if len(k) != len(others) or bool((k > depth + 1).any()):
        raise ValueError(f"k {tuple(k.shape)} does not fit {len(others)} faces with {depth} ranked others each")
    targets = k.to(others.device).unsqueeze(1) - 1
    return others.where(arange(depth, device=others.device) < targets, NO_TARGET)


def condition_5(ranks: Counts) -> bool:
    """Ranking condition (paper eq. 5) as a census of one published set: no face is at rank 1.

    Raises ValueError for a set without faces, of which nothing can be said.
    """
    _faces_in(ranks)
    return ranks.get(1, 0) == 0


def condition_6(ranks: Counts, K: int) -> bool:
    """K-anonymity condition (paper eq. 6) as a census of N faces: no rank holds more than ⌈N/K⌉ of them.

    The paper's p(i) ≤ 1/K is rounded up to whole faces: N faces that K does not divide could never meet it.
    Raises ValueError for K < 1 or a set without faces.
    """
    if K < 1:
        raise ValueError(f"the anonymity level K must be at least 1, not {K}")
    n = _faces_in(ranks)
    return max(ranks.values()) <= -(-n // K)


def _faces_in(ranks: Counts) -> int:
    n = sum(ranks.values())
    if n < 1:
        raise ValueError("a set without faces neither meets nor violates a condition")
    return n


def _others(values: Tensor, label: int) -> Tensor:
    """(..., M) → (..., M−1), without the true identity."""
    if not 0 <= label < values.shape[-1]:
        raise ValueError(f"label {label} is outside the {values.shape[-1]} identities")
    return cat([values[..., :label], values[..., label + 1 :]], dim=-1)


def _finite_true(logits: Tensor, label: int) -> Tensor:
    """(..., M) → (..., 1), the true identity's logit; NaN where not finite, so that no comparison holds."""
    true = logits.detach()[..., label, None]
    return true.where(true.isfinite(), nan)


def _gaps(logits: Tensor, label: int) -> Tensor:
    """(..., M) → (..., M−1): by how much each other identity lies above the true one."""
    return _others(logits.detach(), label) - _finite_true(logits, label)


def _per_face(values: Tensor, logits: Tensor) -> Tensor:
    """Give (N, …) values a view axis where the logits (N, V, M) have one."""
    return values.unsqueeze(1) if logits.ndim == 3 else values


def _on_all_views(holds: Tensor) -> Tensor:
    return holds.all(dim=1) if holds.ndim == 2 else holds


def _check_logits(logits: Tensor, n: int) -> None:
    if logits.ndim not in (2, 3) or len(logits) != n:
        raise ValueError(f"a criterion for {n} faces got logits of shape {tuple(logits.shape)}")
    if logits.ndim == 3 and logits.shape[1] == 0:
        raise ValueError("a criterion cannot hold on a face without views")


def _check_margin(margin: float) -> None:
    if not 0 <= margin < float("inf"):
        raise ValueError(f"the margin must be finite and at least 0, not {margin}")


def _check_groups(k: Tensor) -> None:
    if k.ndim != 1 or k.is_floating_point() or bool((k < 2).any()):
        raise ValueError("k must be whole numbers (N,), each at least 2")
