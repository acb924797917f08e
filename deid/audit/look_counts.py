"""The worst of all looks at a published face: what it decides, one recognizer at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deid.audit.galleries import Gallery
from deid.audit.references import References
from deid.audit.store import FaceLooks

RANK = "rank, "  # of a face's line, before a gallery's name: at the audit's own look
LOWEST_RANK = "lowest rank at a further look, "  # the same: at the further looks
FIRST_AT = "first at, "  # the same: names of the further looks at which it is first


@dataclass(frozen=True)
class Worst:
    """What the further looks at one face tell, its own look left out.

    similarity: the largest cosine with the face's original, and at which look.
    lowest: gallery → the lowest rank, 1 = recognized.
    first_at: gallery → names of the looks at which the rank is 1.
    """

    similarity: float
    look: str
    lowest: Mapping[str, int]
    first_at: Mapping[str, tuple[str, ...]]


def worst_looks(references: References, looks: Iterable[FaceLooks]) -> dict[tuple[str, int], Worst]:
    """(photo, face number) → what its further looks tell; faces without any are left out."""
    return {(face.path, face.number): _worst(references, face) for face in looks}


def _worst(references: References, face: FaceLooks) -> Worst:
    row = references.row_of[face.path, face.number]
    cosines = face.embeddings @ references.clean[row]
    ranks = {
        name: _ranks(gallery, face.embeddings, references.persons[row], cosines)
        for name, gallery in references.galleries.items()
    }
    return Worst(
        similarity=float(cosines.max()),
        look=face.names[int(cosines.argmax())],
        lowest={name: int(of_gallery.min()) for name, of_gallery in ranks.items()},
        first_at={
            name: tuple(look for look, rank in zip(face.names, of_gallery, strict=True) if rank == 1)
            for name, of_gallery in ranks.items()
        },
    )


def _ranks(gallery: Gallery, embeddings: np.ndarray, person: str, true: np.ndarray) -> np.ndarray:
    """Of one face at each look (looks,): 1 + the number of others with a larger cosine than the true one (looks,)."""
    others = gallery.others(embeddings, [person] * len(embeddings))
    ranks: np.ndarray = 1 + (others > true[:, None]).sum(1)
    return ranks


def first_elsewhere(line: Mapping[str, Any]) -> str:
    """By whom a face is put first at a further look and not at the audit's own, and where; empty for nobody.

    line: column → value, the columns' names after the recognizer's and a colon.
    """
    told: dict[str, list[str]] = {}
    for column, value in line.items():
        name, _, gallery = column.partition(f": {FIRST_AT}")
        if gallery and value and line[f"{name}: {RANK}{gallery}"] != 1:
            told.setdefault(f"for {name} as found by: {value}", []).append(gallery)
    return "; ".join(f"{where} (among {', '.join(galleries)})" for where, galleries in told.items())
