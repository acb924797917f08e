"""Faces of one person, found in a folder without knowing anybody: online clustering by cosine."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Cluster:
    """total: (D,) the sum of its faces' unit embeddings; faces: how many they are."""

    id: int
    total: np.ndarray
    faces: int

    @property
    def centroid(self) -> np.ndarray:
        return self.total / max(float(np.linalg.norm(self.total)), 1e-12)


def assign(embeddings: Sequence[np.ndarray], clusters: Sequence[Cluster], threshold: float) -> list[Cluster]:
    """The clusters, grown by one face or new, of the faces of one photo.

    A face joins the cluster with the most similar centroid if their cosine is at least `threshold`, else it starts one.
    Two faces of one photo are two people, so the best matches are given first and a cluster takes one of them.
    """
    pairs: list[tuple[float, int, int]] = []
    if embeddings and clusters:
        similarities = np.stack(embeddings) @ np.stack([cluster.centroid for cluster in clusters]).T
        near = np.argwhere(similarities >= threshold)
        pairs = sorted((-float(similarities[face, at]), int(face), int(at)) for face, at in near)
    joined: dict[int, int] = {}
    for _, face, at in pairs:
        if face not in joined and at not in joined.values():
            joined[face] = at
    next_id = max((cluster.id for cluster in clusters), default=0) + 1
    grown = []
    for face, embedding in enumerate(embeddings):
        if face in joined:
            old = clusters[joined[face]]
            grown.append(Cluster(old.id, old.total + embedding, old.faces + 1))
        else:
            grown.append(Cluster(next_id, np.array(embedding), 1))
            next_id += 1
    return grown
