"""The experiment about a guard: what is counted, who gets around it, honest users, a whole run of a small network."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses.prediction_similarity import Settings
from deid.errors import UsageError
from deid.experiments.similarity import reproduce as similarity
from deid.experiments.similarity.adaptive import STRATEGIES, first_alarm
from deid.experiments.similarity.attempts import Asked, Asking, Attempt, Over, attempted
from deid.experiments.similarity.bursts import burst, burst_of_person
from deid.experiments.tables.data import Data, Photos
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Recipe, Trained
from deid.recognizers.checkpoints import load_recognizer
from deid.training.distill import Schedule

CLASSES, SIDE = 4, 28


def coarse(n: int, seed: int) -> Tensor:
    """Unrelated photos (n, 1, 28, 28)."""
    noise = torch.rand(n, 1, 10, 10, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(noise, size=(SIDE, SIDE), mode="bilinear")


def photos(n: int, seed: int) -> Photos:
    """Unrelated, but for a patch that is lightest in the corner of their class."""
    x, labels = 0.8 * coarse(n, seed), np.arange(n) % CLASSES
    for photo, label in zip(x, labels, strict=True):
        down, across = 14 * int(label // 2), 14 * int(label % 2)
        photo[:, down : down + 14, across : across + 14] += 0.15
    return Photos((255 * x).round().to(torch.uint8).numpy(), labels)


class Corners(nn.Module):
    """How light each corner is: a classifier that needs no training, so its one weight is a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([30.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.adaptive_avg_pool2d(x, 2).flatten(1)


def test_what_came_first_decides() -> None:
    def attempt(success: int | None, alarm: int | None) -> Attempt:
        return Attempt(20, success, alarm, "", 1.0, 0.5, None)

    late = [(5, None), (5, 6)]
    assert all(attempt(*of).is_too_late for of in late)
    assert not any(attempt(*of).is_too_late for of in [(None, None), (None, 3), (6, 5), (6, 6)])


def test_queries_are_counted_until_nothing_more_is_to_be_found_out() -> None:
    """Two near-duplicates, then two misclassified: one that looks otherwise, one that does not; then an alarm."""
    photo = torch.full((1, 1, SIDE, SIDE), 0.5)
    photo[:, :, :14, :14] += 0.05
    asked = Asked(Asking(Corners(), Settings("alarm", many=3), 100, radius=0.1), photo, torch.tensor([0]))
    far, close = photo.clone(), photo.clone()
    far[:, :, 14:] += 0.4
    close[:, :, 14:, 14:] += 0.08
    asked(torch.cat([photo, photo + 0.01, far, close]))
    assert (asked.attempt().asked, asked.attempt().success, asked.attempt().alarm) == (4, 4, None)
    assert asked.attempt().closest == pytest.approx(0.04, abs=1e-6)
    with pytest.raises(Over):
        asked(photo + 0.02)
    assert asked.attempt().alarm == 5
    assert asked.attempt().is_too_late


def test_queries_end() -> None:
    asked = Asked(Asking(Corners(), Settings("alarm"), 10, 0.1), coarse(1, 0), torch.tensor([0]))
    with pytest.raises(Over):
        asked(coarse(30, 1))
    assert asked.attempt().asked == 10


@pytest.mark.parametrize("name", ["one-pixel", "nes", "boundary", "hop-skip-jump"])
def test_attacks_that_only_ask_are_noticed_early_and_before_they_succeed(name: str) -> None:
    one, start = photos(CLASSES, 1)[np.array([0])], photos(CLASSES, 1)[np.array([1])]
    asking = Asking(Corners(), Settings("alarm"), 60, radius=0.05)
    attempt, stream = attempted(name, asking, one.as_tensor(), torch.from_numpy(one.labels), start.as_tensor())
    assert attempt.alarm is not None
    assert attempt.alarm <= 25
    assert not attempt.is_too_late
    assert len(stream) == attempt.asked


def test_who_spreads_queries_is_noticed_late_or_never() -> None:
    stream = (coarse(1, 0) + 0.02 * torch.randn(130, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    unrelated, settings = coarse(140, 5), Settings("alarm", falls=13)
    alarms = {
        name: first_alarm(Corners(), stream[:40] if STRATEGIES[name].between else stream, unrelated, of, settings)
        for name, of in STRATEGIES.items()
    }
    assert alarms == {
        "plain": 13, "accounts-10": 121, "accounts-100": None, "between-4": 13, "between-30": None, "pauses": None,
    }  # fmt: skip


def test_a_burst_counts_false_alarms() -> None:
    still = coarse(1, 0) + 0.001 * torch.arange(20)[:, None, None, None]
    assert vars(burst(Corners(), coarse(50, 1), Settings("alarm"))) == {"queries": 50, "alarms": 0, "first": None}
    found = burst(Corners(), still.clamp(0, 1), Settings("alarm", falls=30))
    assert (found.queries, found.alarms, found.first) == (20, 8, 13)


@pytest.mark.shared_data
@pytest.mark.parametrize("kind", ["versions", "animation"])
def test_a_person_s_photo_in_many_versions_raises_no_alarm(shared_data: Path, kind: str) -> None:
    found = burst_of_person(
        kind, shared_data / "lfw" / "Aaron_Eckhart", load_recognizer("lightcnn9"), Settings("alarm")
    )
    assert found is not None
    assert found.queries == {"versions": 11, "animation": 3}[kind]
    assert found.alarms == 0


TABLE = Table(
    name="mnist",
    read=lambda folder: Data(photos(40, 3), photos(140, 4), tuple("abcd")),
    networks={"corners": Recipe(Corners, Schedule(1, batch=4))},
    likeness=("SSIM", ssim),
    paper={},
)


def test_the_tables_are_written_and_go_on_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for slow in ("between-4", "between-30", "pauses"):
        monkeypatch.delitem(STRATEGIES, slow)  # type: ignore[arg-type]
    monkeypatch.setattr(similarity, "trained", lambda *arguments: Trained(Corners(), 1.0, "a network"))
    asked = {
        "people": None,
        "network": "corners",
        "count": 2,
        "queries": 30,
        "attacks": ["nes", "hop-skip-jump", "k-a3"],
    }
    markdown = similarity.reproduce_similarity(TABLE, tmp_path, tmp_path / "out", **asked)  # type: ignore[arg-type]
    out = tmp_path / "out"
    assert {file.name for file in out.iterdir()} == {
        "similarity.json", "similarity.md", "similarity.svg",
    }  # fmt: skip
    assert (out / "similarity.md").read_text() == markdown
    document = json.loads((out / "similarity.json").read_text())
    assert list(document["attempts"]) == ["NES", "HopSkipJump (foolbox)", "K-A³ to rank 4, each step a query"]
    assert document["attempts"]["NES"]["detected"]["value"] == 1
    assert document["attempts"]["NES"]["until_alarm"]["value"] == 13
    assert document["adaptive"]["100 accounts in turn"]["detected"]["value"] == 0
    assert document["bursts"][similarity.ONE_USER]["alarms"] == 0
    assert "| NES | 2 | 100.0 (15.8–100.0) | 99.5 % | 13; 13 |" in markdown

    def fails(*arguments: object) -> None:
        raise AssertionError("everything was kept")

    monkeypatch.setattr(similarity, "attempted", fails)
    monkeypatch.setattr(similarity, "burst", fails)
    assert similarity.reproduce_similarity(TABLE, tmp_path, out, **asked) == markdown  # type: ignore[arg-type]


@pytest.mark.parametrize(("more", "said"), [({"attacks": ["asking"]}, "nes-wide"), ({"network": "two"}, "corners")])
def test_what_there_is_not_is_said_before_anything_is_read(tmp_path: Path, more: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        similarity.reproduce_similarity(
            TABLE, tmp_path, tmp_path / "out", people=None, count=1, queries=20, **more  # type: ignore[arg-type]
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
