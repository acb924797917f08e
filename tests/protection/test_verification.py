from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deid.faces.detect import detect_faces
from deid.images.handlings import AS_PUBLISHED, HANDLINGS, JPEG_75
from deid.images.photo import Photo
from deid.protection import verification
from deid.protection.criteria import is_exact, shortcoming
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.protection.task import task_of
from deid.protection.verification import ORIGINAL, FaceCheck, FacesSeen, verify
from deid.types import Options


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(Options(), further=())


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


def test_a_face_that_is_first_only_as_another_program_finds_it_is_not_protected(
    astronaut: np.ndarray, protector: Protector, monkeypatch: pytest.MonkeyPatch
) -> None:
    (face,) = detect_faces(astronaut)
    aside = replace(face, landmarks=face.landmarks + 0.8 * (face.box[2] - face.box[0]))
    monkeypatch.setattr(verification, "detect_again", lambda pixels, faces, device: [aside])
    check = check_of(astronaut, astronaut, (AS_PUBLISHED,), protector)
    assert check.published.worst_rank > 1, "the program's own search is misled"
    assert shortcoming(check, PROFILES["paper"]) == f"{AS_PUBLISHED}, found by {ORIGINAL}, it is still recognized"
    others = {seen.look: seen.worst_rank for seen in check.observations if seen.look}
    assert others["MTCNN"] == others["CenterFace, cut out with 30% around"] == 1


def test_the_cheap_check_looks_at_fewer_alignments_and_all_of_these_are_in_the_whole_one(
    astronaut: np.ndarray, protector: Protector
) -> None:
    photo = Photo(astronaut)
    task = task_of(photo, protector.find(photo).faces, [2], protector, "PNG")
    (cheap,), (whole,) = verify(task, photo, thorough=False), verify(task, photo)
    kinds = [{(seen.handling, seen.look) for seen in check.observations} for check in (cheap, whole)]
    assert kinds[0] < kinds[1]
    assert {handling for handling, _ in kinds[0]} == set(task.profile.handlings)


def test_a_face_that_is_gone_is_looked_at_where_it_was(astronaut: np.ndarray, protector: Protector) -> None:
    check = check_of(astronaut, np.full_like(astronaut, 127), (AS_PUBLISHED,), protector)
    assert {seen.look for seen in check.observations} == {""}, "nobody finds it"
    assert not check.published.matches


def test_what_is_given_up_is_not_looked_at_any_longer(astronaut: np.ndarray, protector: Protector) -> None:
    photo = Photo(astronaut)
    task = task_of(photo, protector.find(photo).faces, [2], protector, "PNG")
    told: list[list[str]] = []

    def given_up(seen: FacesSeen) -> bool:
        (of_face,) = seen
        told.append(list(dict.fromkeys(one.handling for one in of_face)))
        return len(told) == 2

    (check,) = verify(task, photo, thorough=False, given_up=given_up)
    first, second, *_ = task.profile.handlings
    assert told == [[first], [first, second]], "asked after each handling of what was seen so far"
    assert list(dict.fromkeys(seen.handling for seen in check.observations)) == [first, second]
