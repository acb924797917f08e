"""Prediction similarity (Echeberria-Barrio, Gil-Lerchundi, Egana-Zubia, Orduna-Urrutia, arXiv 2402.07496).

An attack that may only ask needs many answers about nearly one picture. So a guard remembers what each user asked of
late, and raises an alarm where a query has many near-duplicates, or where the confidence in them kept falling. See also
Chen, Carlini, Wagner (SPAI 2020), and Blacklight (Li and others, USENIX Security 2022). An attack that asks only once
passes: one made on another network, or by many users who each ask little.
"""

import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from deid.defenses.contract import ADVERSARIAL
from deid.defenses.near_duplicates import difference_hashes, similarities, small_copies
from deid.errors import UsageError

Response = Literal["alarm", "block", "mislead"]
Reason = Literal["near-duplicates", "falling confidence"]


@dataclass(frozen=True)
class Settings:
    """response: to a query with an alarm: none, «adversarial», or the second label instead of the first.

    near: SSIM of the small copies, from which on two photos are near-duplicates.
    bits: of 64, by which their hashes may differ.
    many: so many different near-duplicates, asked before, raise an alarm.
    falls: so many times in a row the confidence in near-duplicates fell, or their label changed: an alarm.
    fall: by how much it fell, at least, in [0, 1].
    memory: queries of a user that are remembered, the latest.
    users: who are remembered, those who asked last.

    Raises UsageError for what no memory can hold, or what anything would exceed.
    """

    response: Response = "block"
    near: float = 0.8
    bits: int = 24
    many: int = 12
    falls: int = 6
    fall: float = 0.005
    memory: int = 128
    users: int = 1000

    def __post_init__(self) -> None:
        if not (0 < self.near <= 1 and 0 <= self.bits <= 64 and 0 <= self.fall <= 1):
            raise UsageError("near-duplicates have an SSIM in (0, 1] and 0 to 64 other bits; a fall is in [0, 1]")
        if not (1 <= self.many <= self.memory and 1 <= self.falls <= self.memory and self.users >= 1):
            raise UsageError("alarms come from 1 query on, and from no more than are remembered; users are 1 or more")


@dataclass(frozen=True)
class Alarm:
    """near: different near-duplicates that the user asked before. similarity: SSIM of the nearest."""

    reason: Reason
    near: int
    similarity: float


@dataclass(frozen=True, eq=False)
class Answered:
    """scores: (N, M + 1), as `Defended.scores` gives them; alarms: of each photo, or None."""

    scores: Tensor
    alarms: tuple[Alarm | None, ...]

    @property
    def labels(self) -> Tensor:
        """int64 (N,): a class, or ADVERSARIAL."""
        largest = self.scores.argmax(1)
        return largest.masked_fill(largest == self.scores.shape[1] - 1, ADVERSARIAL)


@dataclass(frozen=True, eq=False)
class _Query:
    """digest: of the photo's exact values. copy: uint8 (32, 32). confidence: in the label, in [0, 1]."""

    digest: bytes
    hash: int
    copy: Tensor
    label: int
    confidence: float


class Guard:
    """A classifier or recognizer that notices being attacked by queries: `guarded = Guard(classify)`.

    classify: photos (N, C, H, W) in [0, 1] → logits (N, M) of two classes or more.

    Answers depend on nothing but the queries and their order. Threads may share it.
    """

    def __init__(self, classify: Callable[[Tensor], Tensor], settings: Settings | None = None) -> None:
        self.classify, self.settings = classify, settings or Settings()
        self._asked: OrderedDict[Hashable, deque[_Query]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, photos: Tensor, *, user: Hashable) -> Answered:
        """What the classifier answers, and what the guard makes of it; the photos count as asked one by one.

        photos: (N, C, H, W) in [0, 1]. user: whoever asks; guards are as good as this name.

        Raises UsageError for other shapes and values, and for a classifier that answers otherwise.
        """
        _check_photos(photos)
        logits = self.classify(photos)
        _check_logits(logits, len(photos))
        queries = _queries(photos, logits)
        with self._lock:
            alarms = tuple(self._remembered(query, user) for query in queries)
        return Answered(self._scores(logits, alarms), alarms)

    def remembered(self) -> dict[Hashable, int]:
        """How many queries of whom, those who asked last at the end."""
        with self._lock:
            return {user: len(queries) for user, queries in self._asked.items()}

    def _remembered(self, query: _Query, user: Hashable) -> Alarm | None:
        """The alarm that a query raises; then it is remembered."""
        memory = self._asked.setdefault(user, deque(maxlen=self.settings.memory))
        self._asked.move_to_end(user)
        while len(self._asked) > self.settings.users:
            self._asked.popitem(last=False)
        alarm = self._alarm(query, memory)
        # Who asks the very same again learns nothing: a page that is loaded twice is no attack.
        if all(other.digest != query.digest for other in memory):
            memory.append(query)
        return alarm

    def _alarm(self, query: _Query, memory: Sequence[_Query]) -> Alarm | None:
        candidates = [
            other
            for other in memory
            if other.digest != query.digest and (other.hash ^ query.hash).bit_count() <= self.settings.bits
        ]
        if len(candidates) < min(self.settings.many, self.settings.falls):
            return None
        alike = similarities(query.copy, torch.stack([other.copy for other in candidates])).tolist()
        near = [other for other, ssim in zip(candidates, alike, strict=True) if ssim >= self.settings.near]
        if len(near) >= self.settings.many:
            return Alarm("near-duplicates", len(near), max(alike))
        if self._falls([*near, query]) >= self.settings.falls:
            return Alarm("falling confidence", len(near), max(alike))
        return None

    def _falls(self, queries: Sequence[_Query]) -> int:
        """How many times in a row the confidence fell, at most."""
        longest = falls = 0
        for earlier, later in pairwise(queries):
            fell = later.label != earlier.label or later.confidence <= earlier.confidence - self.settings.fall
            falls = falls + 1 if fell else 0
            longest = max(longest, falls)
        return longest

    def _scores(self, logits: Tensor, alarms: Sequence[Alarm | None]) -> Tensor:
        raised = torch.tensor([alarm is not None for alarm in alarms], device=logits.device)[:, None]
        never = logits.new_full((len(logits), 1), -torch.inf)
        if self.settings.response == "mislead":
            logits = torch.where(raised, _second_first(logits), logits)
        scores = torch.cat([logits, never], 1)
        if self.settings.response == "block":
            blocked = torch.full_like(scores, -torch.inf)
            blocked[:, -1] = 0
            scores = torch.where(raised, blocked, scores)
        return scores


def _queries(photos: Tensor, logits: Tensor) -> list[_Query]:
    confidences, labels = logits.detach().float().softmax(1).max(1)
    copies = small_copies(photos)
    digests = [hashlib.blake2b(photo.tobytes(), digest_size=16).digest() for photo in photos.detach().cpu().numpy()]
    own = [copy.clone() for copy in copies]  # a row of a batch would keep all of it
    fields = (digests, difference_hashes(copies), own, labels.tolist(), confidences.tolist())
    return [_Query(*of_photo) for of_photo in zip(*fields, strict=True)]


def _second_first(logits: Tensor) -> Tensor:
    """With the logits of the first and the second label exchanged."""
    columns = logits.topk(2, 1).indices
    return logits.scatter(1, columns, logits.gather(1, columns.flip(1)))


def _check_photos(photos: Tensor) -> None:
    if photos.ndim != 4 or 0 in photos.shape or not photos.is_floating_point():
        raise UsageError(f"a guard is asked about photos (N, C, H, W) in [0, 1], not {tuple(photos.shape)}")
    if not bool(((photos >= 0) & (photos <= 1)).all()):  # False for NaN, too
        raise UsageError("a guard is asked about photos in [0, 1]")


def _check_logits(logits: Tensor, n: int) -> None:
    if logits.ndim != 2 or len(logits) != n or logits.shape[1] < 2:
        raise UsageError(f"a classifier answers {n} photos with ({n}, M) logits, M ≥ 2, not {tuple(logits.shape)}")
    if not bool(torch.isfinite(logits).all()):
        raise UsageError("a classifier answers with finite logits")
