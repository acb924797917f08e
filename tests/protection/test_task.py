"""Where in a list a face is to stand: drawn in secret, evenly, and again the same where somebody gives a seed."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from deid.images.photo import Photo
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector
from deid.protection.surrogates import Surrogate
from deid.protection.task import _drawn_places
from deid.recognizers.gallery import Gallery
from deid.types import Options

PHOTO, OTHER = (Photo(np.full((4, 4, 3), level, np.uint8)) for level in (10, 11))


def places(count: int, *, photo: Photo = PHOTO, others: int = 1000, **options: int) -> tuple[float, ...]:
    recognizer = SimpleNamespace(name="none")
    surrogate = Surrogate(recognizer, Gallery(torch.zeros(others, 2)))  # type: ignore[arg-type]
    return _drawn_places(photo, count, Protector(Options(**options), PROFILES["stranger"], "cpu", (surrogate,)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("k_level", "others"), [(5, 1000), (1, 1000), (20, 40)])
def test_places_are_even_from_behind_the_first_k_to_the_end(k_level: int, others: int) -> None:
    drawn = places(5000, others=others, k_level=k_level, seed=1)
    least = k_level / others
    assert min(drawn) >= least
    assert max(drawn) <= 1
    assert kstest(drawn, "uniform", (least, 1 - least)).pvalue > 0.01
    tenths, _ = np.histogram(drawn, bins=10, range=(least, 1))
    assert tenths.min() > 400, "the last ones as often as the first"


def test_a_seed_repeats_them_and_no_two_photos_share_them() -> None:
    assert places(4, seed=3) == places(4, seed=3)
    assert len(set(places(4, seed=3))) == 4
    assert not set(places(4, seed=3)) & set(places(4, seed=4))
    assert not set(places(4, seed=3)) & set(places(4, photo=OTHER, seed=3))


def test_without_a_seed_nobody_can_repeat_them() -> None:
    assert not set(places(4)) & set(places(4))
