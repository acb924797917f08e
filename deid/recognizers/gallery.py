"""Galleries: the identities a recognizer knows, one unit prototype each; logits = scale × cosine."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# A monotone factor: ranks do not depend on it. 1 keeps margins in units of cosine.
SCALE = 1.0


@dataclass(frozen=True)
class Enrollment:
    """One identity of a face that must not be recognized, against everybody else's.

    name: of the person, or of the photo's own enrolment.
    prototype: (D,) unit vector of the true identity.
    excluded: rows of the shared gallery that are this same person and so stand aside.
    """

    name: str
    prototype: Tensor
    excluded: tuple[int, ...] = ()


@dataclass(frozen=True)
class Gallery:
    """What all faces share: the decoys, then one prototype for each enrolled person, (M, D) unit vectors."""

    prototypes: Tensor
    people: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.prototypes)

    def row_of(self, person: str) -> int:
        """Of an enrolled person's prototype. Raises ValueError for anybody else."""
        return len(self) - len(self.people) + self.people.index(person)

    def logits(self, embeddings: Tensor, enrollments: list[Enrollment]) -> Tensor:
        """Embeddings (n, D), an enrollment each → logits (n, 1 + M): the true identity is column 0."""
        own = torch.stack([e.prototype for e in enrollments])
        true = (embeddings * own).sum(1, keepdim=True)
        others = embeddings @ self.prototypes.T
        if any(e.excluded for e in enrollments):
            aside = torch.zeros_like(others, dtype=torch.bool)
            for row, enrollment in enumerate(enrollments):
                aside[row, list(enrollment.excluded)] = True
            others = others.masked_fill(aside, -torch.inf)
        return SCALE * torch.cat([true, others], 1)


def build_gallery(decoys: Tensor, people: Mapping[str, Tensor]) -> Gallery:
    """decoys: (M, D) unit vectors; people: name → embeddings (n, D) of their photos, averaged into a prototype."""
    names = tuple(sorted(people))
    means = [F.normalize(people[name].mean(0), dim=0) for name in names]
    prototypes = torch.cat([decoys, torch.stack(means)]) if means else decoys
    return Gallery(prototypes, names)


def match_person(embedding: Tensor, gallery: Gallery, threshold: float) -> str | None:
    """The enrolled person a clean face (D,) matches: the most similar one, if at least `threshold` similar."""
    if not gallery.people:
        return None
    similarities = gallery.prototypes[len(gallery) - len(gallery.people) :] @ embedding
    best = int(similarities.argmax())
    return gallery.people[best] if float(similarities[best]) >= threshold else None
