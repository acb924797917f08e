"""The draw of k in a folder: secret, and even over the run and over each person's photos."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from deid.anonymity.groups import draw_k, secret_rng, seeded_rng
from deid.batch.journal import Journal
from deid.protection.pipeline import Draw, FoundFace, Protector


def balanced_draw(name: str, protector: Protector, journal: Journal) -> Draw:
    """The balanced draw for one photo's chosen faces, from what the journal says is published."""
    options = protector.options
    seed = None if options.seed is None else int(hashlib.sha256(f"{options.seed}/{name}".encode()).hexdigest(), 16)
    rng = secret_rng() if seed is None else seeded_rng(seed)

    def draw(faces: Sequence[FoundFace]) -> list[int]:
        here = set(journal.clusters_of(name))
        clusters = [cluster for cluster in journal.clusters() if cluster.id in here]
        in_run, ks = journal.rank_counts(), []
        for face in faces:
            embedding = face.embedding.cpu().numpy()
            # None is left where the file has more faces now than when it was searched.
            mine = max(clusters, key=lambda c: float(embedding @ c.centroid), default=None)
            counts = Counter[int]() if mine is None else journal.rank_counts(mine.id)
            clusters = [cluster for cluster in clusters if cluster is not mine]  # two faces are two people
            k = draw_k(options.k_level, run_counts=in_run, person_counts=counts, rng=rng)
            in_run[k] += 1
            ks.append(k)
        return ks

    return draw
