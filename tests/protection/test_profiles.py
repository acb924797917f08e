"""What profiles ask for, and what their dial and their rounds make of that."""

from dataclasses import replace

import pytest

from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, JPEG_75
from deid.protection.profiles import PROFILES, Profile
from deid.recognizers.checkpoints import manifest
from deid.types import Options

STRANGER, PAPER = PROFILES["stranger"], PROFILES["paper"]


def test_a_profile_checks_the_file_as_it_is_first_of_all() -> None:
    for profile in PROFILES.values():
        assert next(iter(profile.handlings)) == AS_PUBLISHED
    assert list(PAPER.handlings) == [AS_PUBLISHED]
    assert list(STRANGER.handlings) == [AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75, "cropped by 3 %"]


def test_the_default_asks_for_no_match_anywhere_and_paper_for_a_rank_alone() -> None:
    assert Options().profile == "stranger"
    assert (STRANGER.exact, STRANGER.unmatched) == (False, True)
    assert (PAPER.exact, PAPER.unmatched) == (True, False)
    assert STRANGER.budget is not None
    assert PAPER.budget is None, "an attack on ranks takes what it needs"


def test_attacks_know_shipped_recognizers_alone() -> None:
    """What measures protection, an imported recognizer, can be no profile's surrogate; one that ships never is."""
    shipped = {name for name, entry in manifest().items() if "decoys_file" in entry.details}
    attacked = {Options().recognizer, *STRANGER.further_surrogates}
    assert attacked == {"lightcnn9", "dlib-resnet", "mobilenet-vggface2", "mobilefacenet-arcface"}
    assert shipped == attacked | {"facenet-casia"}
    assert PAPER.further_surrogates == ()


def test_the_middle_of_the_dial_is_what_a_profile_is_made_for() -> None:
    assert Options().strength == 0.5
    for profile in PROFILES.values():
        assert profile.with_strength(0.5) == profile


@pytest.mark.parametrize(("strength", "factor"), [(0, 1 / 2), (0.25, 2**-0.5), (0.75, 2**0.5), (1, 2)])
def test_the_dial_s_ends_show_half_and_twice_as_much(strength: float, factor: float) -> None:
    """SSIM falls with the square of a change's length."""
    stranger, paper = (profile.with_strength(strength) for profile in (STRANGER, PAPER))
    assert stranger.budget == pytest.approx(STRANGER.budget * factor)
    assert stranger.limit == pytest.approx(STRANGER.limit * factor**0.5)
    assert paper.limit == pytest.approx(PAPER.limit * factor**0.5)
    assert paper.budget is None
    for changed, profile in ((stranger, STRANGER), (paper, PAPER)):
        assert replace(changed, limit=profile.limit, budget=profile.budget) == profile, "nothing else"
    free = replace(PAPER, limit=None).with_strength(strength)
    assert free.limit is None


def test_a_profile_s_limits_widen_round_by_round() -> None:
    narrow = replace(PAPER, limit=0.3, widening=2.4, features=1.0)
    assert [narrow.in_round(round_).limit for round_ in range(3)] == pytest.approx([0.3, 1.02, 3.468])
    later = STRANGER.in_round(3)
    for name in ("limit", "budget", "reach"):
        assert getattr(later, name) == pytest.approx(getattr(STRANGER, name) * (1 + STRANGER.widening) ** 3)
        assert getattr(STRANGER.in_round(0), name) == getattr(STRANGER, name)
    assert [STRANGER.in_round(round_).features for round_ in range(3)] == [0.6] * 3
    free = replace(STRANGER, limit=None, budget=None).in_round(2)
    assert (free.limit, free.budget) == (None, None)


def test_there_are_as_many_rounds_as_are_given_steps() -> None:
    assert Profile(PAPER.handlings, steps=(5, 4), exact=True).rounds == 2
    assert STRANGER.rounds == len(STRANGER.steps) == 6
