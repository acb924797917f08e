"""What the table of dimensionality reduction says, as it is written to its JSON."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.intervals import Estimate, median_interval, proportion
from deid.experiments.reduction.examples import PGD, Examples, Subject
from deid.experiments.tables.data import Photos
from deid.experiments.tables.figures import ssim

# Echeberria-Barrio and others, 2021: percent of known examples that stop being adversarial.
STUDY = {"initial": 70.5, "middle": 60.4, "encoder": 64.3, "adversarial training": 92.0}
SSIM_BATCH = 64


def summary_of(
    undefended: Subject,
    subjects: Mapping[str, Subject],
    photos: Photos,
    clean: Photos,
    known: Mapping[str, Examples],
    new: Mapping[str, Examples],
) -> dict[str, Any]:
    """photos: N that the undefended network recognizes; clean: all that accuracy is of.

    known: by attack, examples of the undefended network; new: by title, of the defended one.
    """
    of_clean = undefended.answers(clean)
    return {
        "accuracy": _figures(proportion(int((of_clean == clean.labels).sum()), len(clean))),
        "known": {attack: _least(examples) for attack, examples in known.items()},
        "defenses": {
            title: {
                **_row(undefended, subject, clean, of_clean, known),
                "noise": _noise(photos, subject.answers(photos) == photos.labels, known[PGD], new[title]),
                "study": STUDY.get(title),
            }
            for title, subject in subjects.items()
        },
    }


def _least(examples: Examples) -> dict[str, Any]:
    found = examples.found
    return {
        "found": _figures(proportion(int(found.sum()), len(found))),
        "epsilon": _figures(median_interval(examples.epsilons[found])),
    }


def _row(
    undefended: Subject, subject: Subject, clean: Photos, of_clean: np.ndarray, known: Mapping[str, Examples]
) -> dict[str, Any]:
    """A defense: its accuracy; of known examples, those that stop, and those that the detector flags; its false alarms.

    The detector flags where the defended network and the undefended one disagree (`defenses.reduction.disagreement`).
    """
    answers = subject.answers(clean)
    stopped, flagged = {}, {}
    for attack, examples in known.items():
        of_found = examples.photos[examples.found]
        if not len(of_found):
            continue
        defended = subject.answers(of_found)
        stopped[attack] = defended == of_found.labels
        flagged[attack] = defended != undefended.answers(of_found)
    return {
        "accuracy": _figures(proportion(int((answers == clean.labels).sum()), len(clean))),
        "stopped": _shares(stopped),
        "flagged": _shares(flagged),
        "false_alarms": _figures(proportion(int((answers != of_clean).sum()), len(clean))),
    }


def _shares(which: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """By attack, and of all together: as sure as of one attack, for they share their photos."""
    shares = {attack: _figures(proportion(int(hits.sum()), len(hits))) for attack, hits in which.items()}
    hits = np.concatenate(list(which.values())) if which else np.zeros(0, bool)
    if not len(hits):
        return shares
    n = max(map(len, which.values()))
    around = proportion(round(float(hits.mean()) * n), n)
    return shares | {"all": _figures(Estimate(float(hits.mean()), around.low, around.high, n, around.confidence))}


def _noise(photos: Photos, recognized: np.ndarray, known: Examples, new: Examples) -> dict[str, Any]:
    """Of photos that both recognize and that both have an example of: how much noise each of the two takes.

    recognized: bool (N,), by the defended network. more: share whose new example is farther away (L2) than the known.
    """
    both = recognized & known.found & new.found
    clean, first, second = (some[both].as_tensor() for some in (photos, known.photos, new.photos))
    lengths = [(noisy - clean).flatten(1).norm(dim=1) for noisy in (first, second)]
    return {
        "recognized": int(recognized.sum()),
        "none_found": int((recognized & ~new.found).sum()),
        "ssim_known": _median(_ssim(clean, first)),
        "ssim_new": _median(_ssim(clean, second)),
        "l2_known": _median(lengths[0]),
        "l2_new": _median(lengths[1]),
        "ratio": _median(lengths[1] / lengths[0]),
        "more": _figures(proportion(int((lengths[1] > lengths[0]).sum()), int(both.sum()))),
    }


def _ssim(clean: Tensor, noisy: Tensor) -> Tensor:
    parts = zip(clean.split(SSIM_BATCH), noisy.split(SSIM_BATCH), strict=True)
    return torch.cat([ssim(*part) for part in parts]) if len(clean) else torch.zeros(0)


def _figures(estimate: Estimate) -> dict[str, Any]:
    """JSON has no infinity and no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in vars(estimate).items()}


def _median(values: Tensor | Sequence[float]) -> dict[str, Any]:
    return _figures(median_interval([float(value) for value in values]))
