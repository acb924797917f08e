import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from deid.anonymity.groups import draw_groups, draw_k, secret_rng, seeded_rng

levels = st.integers(1, 7)


def spread(counts: Counter[int], K: int) -> int:
    used = [counts[rank] for rank in range(2, K + 2)]
    return max(used) - min(used)


def draw_run(faces, K, rng):
    """The run and person counts after each of `faces`, pairs (person, fails), drawn in this order."""
    run: Counter[int] = Counter()
    people: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for person, fails in faces:
        k = draw_k(K, run_counts=run, person_counts=people[person], rng=rng)
        assert 2 <= k <= K + 1
        if not fails:
            run[k] += 1
            people[person][k] += 1
        yield run, people[person]


def test_the_person_counts_first_and_then_the_run():
    # Within the person 2 is used up, so 3, 4 and 5 are open; of these the run has used 4 least.
    k = draw_k(4, run_counts={2: 0, 3: 5, 4: 1, 5: 2}, person_counts={2: 1}, rng=random.Random(0))
    assert k == 4


def test_only_the_last_open_rank_is_left_to_draw():
    k = draw_k(3, run_counts={}, person_counts={2: 2, 3: 1, 4: 2}, rng=secret_rng())
    assert k == 3


def test_counts_of_ranks_outside_the_groups_are_ignored():
    counts = {1: 9, 2: 1, 7: 0}  # K = 2: a face that was published at rank 7 holds none of the groups
    assert draw_k(2, run_counts=counts, person_counts=counts, rng=secret_rng()) == 3


@given(levels, st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=40), st.randoms())
def test_every_person_is_balanced_in_any_order_whatever_fails(K, faces, rng):
    for _, person in draw_run(faces, K, rng):
        assert spread(person, K) <= 1


@given(levels, st.lists(st.lists(st.booleans(), max_size=12), max_size=8), st.randoms())
def test_run_and_people_are_balanced_when_drawn_person_by_person_whatever_fails(K, people, rng):
    faces = [(str(person), fails) for person, photos in enumerate(people) for fails in photos]
    for run, person in draw_run(faces, K, rng):
        assert spread(run, K) <= 1
        assert spread(person, K) <= 1


def test_people_with_one_photo_each_leave_the_run_balanced():
    faces = [(str(number), number % 7 == 0) for number in range(200)]
    for run, _ in draw_run(faces, 5, seeded_rng(3)):
        assert spread(run, 5) <= 1


def test_mixed_photos_of_many_people_stay_close_to_balanced_over_the_run():
    rng = seeded_rng(5)
    for _ in range(20):
        faces = [(str(rng.randrange(60)), rng.random() < 0.05) for _ in range(200)]
        *_, (run, _) = draw_run(faces, 5, rng)
        assert spread(run, 5) <= 5


def test_a_failed_face_leaves_the_next_draw_as_if_it_had_never_been():
    before = draw_k(5, run_counts={2: 1}, person_counts={2: 1}, rng=seeded_rng(8))
    again = draw_k(5, run_counts={2: 1, before: 0}, person_counts={2: 1, before: 0}, rng=seeded_rng(8))
    assert again == before


@pytest.mark.parametrize("same_person", [True, False])
def test_each_position_of_the_draw_is_uniform_over_the_ranks(same_person):
    K, positions, runs = 4, 6, 1500
    rng = seeded_rng(1)
    seen = [Counter() for _ in range(positions)]
    for _ in range(runs):
        run: Counter[int] = Counter()
        for position in range(positions):
            k = draw_k(K, run_counts=run, person_counts=run if same_person else {}, rng=rng)
            run[k] += 1
            seen[position][k] += 1
    for counts in seen:
        assert chisquare([counts[rank] for rank in range(2, K + 2)]).pvalue > 1e-3


def test_the_draw_is_uniform_over_what_balance_leaves():
    drawn = Counter(
        draw_k(5, run_counts={}, person_counts={3: 1, 6: 1}, rng=random.Random(seed)) for seed in range(3000)
    )
    assert set(drawn) == {2, 4, 5}
    assert chisquare(list(drawn.values())).pvalue > 1e-3


@given(st.integers(0, 60), levels, st.randoms())
def test_a_set_is_split_evenly(n, K, rng):
    groups = draw_groups(n, K, rng)
    assert len(groups) == n
    assert set(groups) <= set(range(2, K + 2))
    assert spread(Counter(groups), K) <= 1


def test_each_position_of_a_set_is_uniform_over_the_ranks():
    rng = seeded_rng(2)
    sets = [draw_groups(7, 5, rng) for _ in range(2000)]
    for position in zip(*sets, strict=True):
        counts = Counter(position)
        assert chisquare([counts[rank] for rank in range(2, 7)]).pvalue > 1e-3


def test_a_seed_repeats_the_draw_and_the_secret_generator_takes_none():
    assert draw_groups(50, 5, seeded_rng(4)) == draw_groups(50, 5, seeded_rng(4))
    assert draw_groups(50, 5, seeded_rng(4)) != draw_groups(50, 5, seeded_rng(5))
    secret = secret_rng()
    assert isinstance(secret, random.SystemRandom)
    secret.seed(4)  # without effect
    first = draw_groups(50, 5, secret)
    secret.seed(4)
    assert draw_groups(50, 5, secret) != first


def test_a_level_below_one_and_a_negative_set_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        draw_k(0, run_counts={}, person_counts={}, rng=secret_rng())
    with pytest.raises(ValueError, match="at least 1"):
        draw_groups(3, 0, secret_rng())
    with pytest.raises(ValueError, match="negative"):
        draw_groups(-1, 5, secret_rng())
