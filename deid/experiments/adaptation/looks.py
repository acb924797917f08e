"""What an adversary of `reproduce adaptation` makes of faces: embedded as they are, or after something before."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.intervals import proportion
from deid.defenses.filters import Filter
from deid.experiments.adaptation.people import Asked
from deid.experiments.kept import kept_arrays
from deid.recognizers.recognizer import EMBED_BATCH, Recognizer, embed_aligned
from deid.training.augment import aligned_view
from deid.training.data import FaceSet, crops_of
from deid.training.verification import verify


@dataclass(frozen=True, eq=False)
class Look:
    """One row of the table.

    recognizers: who looks.
    before: what faces pass first.
    key: tells it from others of that title.
    """

    title: str
    recognizers: Sequence[Recognizer]
    before: Filter
    key: str = ""


def figures_of(look: Look, asked: Asked) -> dict[str, Any]:
    """Recognizer → threshold, and shares matched and found first, each an estimate.

    Everything passes what comes before the recognizer: the query, the enrolled photos, and the clean pairs of strangers
    that the threshold is made of.
    """
    embedded = {name: _embedded(look, getattr(asked, name)) for name in ("protected", "clean", "other", "further")}
    people = (*asked.clean.names, *asked.other.names, *asked.further.names)
    figures = {}
    for recognizer in look.recognizers:
        protected, clean, other, further = (embedded[name][recognizer.name] for name in embedded)
        strangers = torch.from_numpy(np.concatenate([clean, other, further]))
        threshold = verify(strangers, people).thresholds_by_person[0]
        shares = {
            "protected": _shares(protected, other, other, further, threshold),
            "clean": _shares(clean, other, other, further, threshold),
            "same photo": _shares(protected, clean, other, further, threshold),
        }
        figures[recognizer.name] = {"threshold": threshold, **shares}
    return figures


def _shares(
    queries: np.ndarray, enrolled: np.ndarray, other: np.ndarray, further: np.ndarray, threshold: float
) -> dict[str, Any]:
    """matched: at the threshold with the own enrolled photo; first: in a search among it and everybody else's.

    All unit embeddings: queries, enrolled and other (P, D), row by row of one person; further (G, D).
    """
    own = (queries * enrolled).sum(1)
    among = queries @ other.T
    np.fill_diagonal(among, -np.inf)
    best = np.concatenate([among, queries @ further.T], axis=1).max(1)
    return {
        "matched": vars(proportion(int((own >= threshold).sum()), len(own))),
        "first": vars(proportion(int((own > best).sum()), len(own))),
    }


def _embedded(look: Look, faces: FaceSet) -> Mapping[str, np.ndarray]:
    """Recognizer → (N, D)."""
    digest = hashlib.sha256(faces.crops.tobytes() + faces.landmarks.tobytes()).hexdigest()
    key = [look.title, look.key, digest, [[recognizer.name, recognizer.sha256] for recognizer in look.recognizers]]

    def make() -> dict[str, np.ndarray]:
        parts: dict[str, list[np.ndarray]] = {recognizer.name: [] for recognizer in look.recognizers}
        for rows in np.array_split(np.arange(len(faces)), -(-len(faces) // EMBED_BATCH)):
            crops, landmarks = crops_of(faces, rows)
            seen = _passed(look.before, crops)
            for recognizer in look.recognizers:
                views = aligned_view(seen, landmarks, recognizer.template)
                parts[recognizer.name].append(embed_aligned(recognizer, views).cpu().numpy())
        return {name: np.concatenate(of_recognizer) for name, of_recognizer in parts.items()}

    return kept_arrays("adaptation", key, make)


@torch.no_grad()
def _passed(before: Filter, crops: Tensor) -> Tensor:
    return before(crops)
