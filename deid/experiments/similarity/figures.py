"""What attempts and bursts say together, with intervals, as it is written to similarity.json."""

from collections.abc import Sequence
from typing import Any

from deid.anonymity.intervals import median_interval, proportion
from deid.experiments.similarity.adaptive import STRATEGIES, Replayed
from deid.experiments.similarity.attempts import Attempt
from deid.experiments.similarity.bursts import Burst


def of_attempts(lines: Sequence[Attempt]) -> dict[str, Any]:
    """Of one attack."""
    n = len(lines)
    alarms = sorted(line.alarm for line in lines if line.alarm is not None)
    successes = [line.success for line in lines if line.success is not None]
    return {
        "n": n,
        "detected": vars(proportion(len(alarms), n)),
        "until_alarm": vars(median_interval(alarms)),
        "by_falling": sum(line.reason == "falling confidence" for line in lines),
        "too_late": vars(proportion(sum(line.is_too_late for line in lines), n)),
        "succeeded": vars(proportion(len(successes), n)),
        "until_success": vars(median_interval(successes)),
        "confidence_lost": vars(median_interval([line.clean - line.least for line in lines])),
        "closest": vars(median_interval([line.closest for line in lines if line.closest is not None])),
        "alarms": alarms,
    }


def of_strategies(lines: Sequence[Replayed]) -> dict[str, Any]:
    """Of each strategy, by its title."""
    rows = {}
    for name, strategy in STRATEGIES.items():
        alarms = [alarm for line in lines if (alarm := line.alarms[name]) is not None]
        rows[strategy.title] = {
            "n": len(lines),
            "detected": vars(proportion(len(alarms), len(lines))),
            "until_alarm": vars(median_interval(alarms)),
            "too_late": vars(proportion(sum(line.is_too_late(name) for line in lines), len(lines))),
        }
    return rows


def of_bursts(lines: Sequence[Burst]) -> dict[str, Any]:
    """Of one kind."""
    return {
        "n": len(lines),
        "disturbed": vars(proportion(sum(line.alarms > 0 for line in lines), len(lines))),
        "queries": sum(line.queries for line in lines),
        "alarms": sum(line.alarms for line in lines),
    }
