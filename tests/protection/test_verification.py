from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deid.images.handlings import AS_PUBLISHED, HANDLINGS, JPEG_75
from deid.images.photo import Photo
from deid.protection.criteria import is_exact, shortcoming
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.protection.task import task_of
from deid.protection.verification import ORIGINAL, FaceCheck, verify
from deid.types import Options


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(Options())


def check_of(pixels: np.ndarray, saved: np.ndarray, names: Sequence[str], protector: Protector) -> FaceCheck:
    photo = Photo(pixels)
    task = task_of(photo, protector.find(photo).faces, [2], protector, "PNG")
    handlings = {name: HANDLINGS[name] for name in names}
    (check,) = verify(replace(task, profile=replace(task.profile, handlings=handlings)), Photo(saved))
    return check


def test_a_clean_photo_is_first_and_matches_after_every_handling(astronaut: np.ndarray, protector: Protector) -> None:
    check = check_of(astronaut, astronaut, (AS_PUBLISHED, JPEG_75), protector)
    assert list(dict.fromkeys(seen.handling for seen in check.observations)) == [AS_PUBLISHED, JPEG_75]
    assert all(seen.ranks == ((1,),) and seen.matches for seen in check.observations)
    assert check.published.similarities[0][0] > 0.999
    assert next(seen for seen in check.observations if seen.handling == JPEG_75).similarities[0][0] < 0.999
    assert shortcoming(check, PROFILES["paper"]) == f"{AS_PUBLISHED}, it is still recognized"
    assert not is_exact(check, 2)


def test_a_face_that_is_gone_is_looked_at_where_it_was(astronaut: np.ndarray, protector: Protector) -> None:
    check = check_of(astronaut, np.full_like(astronaut, 127), (AS_PUBLISHED,), protector)
    assert {seen.look for seen in check.observations} == {"", ORIGINAL}, "nobody else finds it"
    assert not check.published.matches
