"""Attempts at making an adversarial photo by asking a guarded classifier, query by query."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from deid.attacks.classification import lead_of, logit_difference, misclassified
from deid.attacks.one_pixel import one_pixel
from deid.defenses.prediction_similarity import Alarm, Guard, Settings
from deid.experiments.tables.methods import METHODS
from deid.experiments.tables.task import SEED, task_of

PIECE = 16  # queries that a guard is shown at once, until its alarm


@dataclass(frozen=True, eq=False)
class Asking:
    """What all attempts are made on. network: photos (n, C, H, W) in [0, 1] → logits (n, M). settings: of its guard.

    queries: of an attempt, at most. radius: root mean square of a change, up to which a photo looks the same.
    """

    network: nn.Module
    settings: Settings
    queries: int
    radius: float


@dataclass(frozen=True)
class Attempt:
    """One attack on one photo by a user whom the guard does not know yet. Queries are counted from 1; None: never.

    asked: queries until both success and alarm, or until there were no more.
    success: the first query that is misclassified and looks the same. alarm: the first with one.
    reason: of the alarm, or nothing.
    clean, least: the confidence in the true class at first, and the least before the alarm of what looks the same.
    closest: root mean square of the change of the closest misclassified query before the alarm; None: there was none.
    """

    asked: int
    success: int | None
    alarm: int | None
    reason: str
    clean: float
    least: float
    closest: float | None

    @property
    def is_too_late(self) -> bool:
        """Whether the guard was: the attack had succeeded."""
        return self.success is not None and (self.alarm is None or self.success < self.alarm)


class Over(Exception):  # noqa: N818
    """There is nothing more to find out, or the queries are spent."""


class Asked(nn.Module):
    """A classifier behind a guard that raises alarms only, as one attack sees it: photos (n, C, H, W) → logits (n, M).

    photo: (1, C, H, W), recognized when clean; label: (1,). After `asking.queries` it raises Over.
    """

    def __init__(self, asking: Asking, photo: Tensor, label: Tensor) -> None:
        super().__init__()
        self.network, self.queries, self.radius = asking.network, asking.queries, asking.radius
        self.photo, self.label, self.guard = photo, label, Guard(asking.network, asking.settings)
        self.stream: list[Tensor] = []
        self.asked, self.reason = 0, ""
        self.success: int | None = None
        self.alarm: int | None = None
        with torch.no_grad():
            self.clean = self.least = float(self.network(photo).softmax(1)[0, int(label)])
        self.closest: float | None = None

    def forward(self, photos: Tensor) -> Tensor:
        photos = photos.clamp(0, 1)  # what adds up a change may pass it by a rounding
        logits = torch.cat([self._answered(part) for part in photos.split(PIECE)])
        if self.asked >= self.queries or (self.success and self.alarm):
            raise Over
        return logits

    def _answered(self, photos: Tensor) -> Tensor:
        alarms: Sequence[Alarm | None] = [None] * len(photos)
        if self.alarm:
            logits = self.network(photos)
        else:
            answered = self.guard(photos, user="whoever attacks")
            logits, alarms = answered.scores[:, :-1], answered.alarms
        self.stream.append(photos.detach())
        confidences = logits.detach().softmax(1)[:, int(self.label)].tolist()
        is_wrong = (logits.detach().argmax(1) != self.label).tolist()
        changes = (photos.detach() - self.photo).square().flatten(1).mean(1).sqrt().tolist()
        for alarm, confidence, wrong, change in zip(alarms, confidences, is_wrong, changes, strict=True):
            if self.asked >= self.queries:
                break
            self.asked += 1
            if alarm is not None and not self.alarm:
                self.alarm, self.reason = self.asked, alarm.reason
            if wrong and change <= self.radius and not self.success:
                self.success = self.asked
            if not self.alarm and change <= self.radius:
                self.least = min(self.least, confidence)
            if not self.alarm and wrong:
                self.closest = change if self.closest is None else min(self.closest, change)
        return logits

    def attempt(self) -> Attempt:
        return Attempt(self.asked, self.success, self.alarm, self.reason, self.clean, self.least, self.closest)


Run = Callable[[Asked, Tensor], Any]
"""An attack on what is `asked`; start: (1, C, H, W), a photo of another class, misclassified."""


def nes(asked: Asked, start: Tensor, *, sigma: float, pairs: int = 25, share: float = 0.1) -> None:
    """Natural evolution strategies (Ilyas, Engstrom, Athalye, Lin, ICML 2018), in L2.

    What is to fall is the lead of the true class, in logits: confidences are rounded to 1 and tell nothing.

    sigma: of the noise around the photo, a pixel. pairs: of a step, each noise and its negative. share: a step, in
    units of the largest change that looks the same.
    """
    photo, generator = asked.photo, torch.Generator().manual_seed(SEED)
    radius = asked.radius * photo.numel() ** 0.5
    x = photo
    while True:
        noise = torch.randn(pairs, *photo.shape[1:], generator=generator)
        queries = (x + sigma * torch.cat([noise, -noise])).clamp(0, 1)
        leads = lead_of(asked(queries), asked.label.expand(2 * pairs))
        gradient = ((leads[pairs:] - leads[:pairs])[:, None, None, None] * noise).sum(0, keepdim=True)
        change = x + share * radius * gradient / gradient.norm().clamp(min=1e-12) - photo
        x = (photo + change * (radius / change.norm().clamp(min=1e-12)).clamp(max=1)).clamp(0, 1)
        asked(x)


def _one_pixel(asked: Asked, start: Tensor) -> None:
    one_pixel()(
        lambda photos, rows: asked(photos), asked.photo, asked.label,
        objective=logit_difference(), criterion=misclassified(asked.label), steps=100, seed=SEED,
    )  # fmt: skip


def _foolbox(asked: Asked, start: Tensor, *, name: str, steps: int) -> None:
    import foolbox

    torch.manual_seed(SEED)
    model = foolbox.PyTorchModel(asked.eval(), bounds=(0, 1), device="cpu")
    attack = getattr(foolbox.attacks, name)(steps=steps)
    with torch.no_grad():
        attack(
            model, asked.photo, foolbox.criteria.Misclassification(asked.label), epsilons=None, starting_points=start
        )


def _white_box(asked: Asked, start: Tensor, *, method: str, group: int = 2) -> None:
    METHODS[method].run(task_of(asked, asked, asked.photo, asked.label, torch.tensor([group])))


WIDE = 0.2  # of noise in which a photo is still recognized, and its small copies are not alike any more
ATTACKS: Mapping[str, tuple[str, Run]] = {
    "one-pixel": ("one pixel", _one_pixel),
    "nes": ("NES", partial(nes, sigma=0.01)),
    "boundary": ("boundary attack (foolbox)", partial(_foolbox, name="BoundaryAttack", steps=25000)),
    "hop-skip-jump": ("HopSkipJump (foolbox)", partial(_foolbox, name="HopSkipJumpAttack", steps=64)),
    "k-a3": ("K-A³ to rank 4, each step a query", partial(_white_box, method="k-a3", group=4)),
    "i-fgvm": ("I-FGVM to rank 2, each step a query", partial(_white_box, method="i-fgvm")),
    "nes-wide": (f"NES in wide noise (σ = {WIDE:g}), who knows the guard", partial(nes, sigma=WIDE)),
}
NEEDS_FOOLBOX = ("boundary", "hop-skip-jump")


def attempted(name: str, asking: Asking, photo: Tensor, label: Tensor, start: Tensor) -> tuple[Attempt, Tensor]:
    """What became of it, and what was asked, (asked, C, H, W). name: of ATTACKS; else as `Asked` and `Run` have it."""
    asked = Asked(asking, photo, label)
    with suppress(Over):
        ATTACKS[name][1](asked, start)
    return asked.attempt(), torch.cat(asked.stream)[: asked.asked]
