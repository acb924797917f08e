"""The balanced, secret draw of the rank group k of each face.

K-A³ (Mygdalis, Tefas, Pitas, Neural Networks 124, 2020) splits the faces evenly at random over the groups
k = 2..K+1, so that in the published set no rank holds more than 1/K of the faces (eq. 6). Here the faces come
one by one, from photos of people who return, and the run can stop and go on another day. So the draw is a
plain function of what has been counted so far, and the counts live with the caller.

**What the caller counts.** `run_counts` and `person_counts` map a rank to the number of faces that hold it:
settled faces at the rank they were published at, faces still being worked on at the k drawn for them. A face
that fails is simply not counted any longer: the counts are as if its k had never been drawn, and the next
draw may take it up. Nothing else is needed to give a k back.

**What balance costs.** Seen alone, the k of a face is uniform over 2..K+1. Seen beside the k of all others it
is not: whoever knows all ranks but one of a person's K photos knows the last one, because balance leaves only
that one. The draw is uniform over what balance leaves, so nobody can conclude more than that. It is the price
of condition (6) holding for the set itself and not only on average.
"""

import random
from collections.abc import Mapping

MAX_K = 100  # the largest anonymity level that may be asked for


def secret_rng() -> random.Random:
    """The operating system's randomness, which nobody can seed or repeat: the draw's default."""
    return random.SystemRandom()


def seeded_rng(seed: int) -> random.Random:
    """A repeatable generator. Whoever knows the seed and the order of the photos can repeat the draw."""
    return random.Random(seed)


def group_ranks(K: int) -> range:
    """The rank groups 2..K+1 of anonymity level K. Raises ValueError if K < 1."""
    if K < 1:
        raise ValueError(f"the anonymity level K must be at least 1, not {K}")
    return range(2, K + 2)


def draw_k(K: int, *, run_counts: Mapping[int, int], person_counts: Mapping[int, int], rng: random.Random) -> int:
    """Draw k in {2, …, K+1} for the next face of one person.

    Of the ranks least used within the person's photos, those least used over the run are kept, and one of
    them is drawn uniformly. Missing ranks count 0; counts of other ranks are ignored. Two faces of one photo
    are drawn one after the other, with the first one counted. Raises ValueError if K < 1.

    How even it gets (counts that differ by at most one, from empty counts on):

    - within every person, whatever the order of the photos;
    - over the run as well, as long as each person's faces are drawn one after another. People with one photo
      are the simplest case: all ranks tie within them, so the run's counts alone decide.

    When the photos of many people are mixed, a person's last open rank can be one that the run has enough of:
    the run's counts then differ by a few faces, which is enough to break (6) as a census. No rule that sees
    one face at a time can keep both even in every order. So draw person by person where the order is free.
    """
    ranks = group_ranks(K)
    return rng.choice(_least_used(_least_used(ranks, person_counts), run_counts))


def draw_groups(n: int, K: int, rng: random.Random) -> list[int]:
    """The groups of `n` faces of different people: n values in {2, …, K+1} in random order.

    The counts of any two groups differ by at most one; which groups get the faces left over is drawn, too.
    Raises ValueError if n < 0 or K < 1.
    """
    if n < 0:
        raise ValueError(f"the number of faces cannot be negative: {n}")
    ranks = group_ranks(K)
    rounds, left_over = divmod(n, K)
    groups = list(ranks) * rounds + rng.sample(ranks, left_over)
    rng.shuffle(groups)
    return groups


def _least_used(ranks: range | list[int], counts: Mapping[int, int]) -> list[int]:
    fewest = min(counts.get(rank, 0) for rank in ranks)
    return [rank for rank in ranks if counts.get(rank, 0) == fewest]
