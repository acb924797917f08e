from collections.abc import Sequence

import numpy as np
import torch

from deid.faces.chain import FaceChain
from deid.faces.detect import Face, detect_faces, same_face
from deid.images.handlings import AS_PUBLISHED, HANDLINGS, JPEG_75
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector
from deid.protection.rounds import is_exact, shortcoming
from deid.protection.timing import Costs
from deid.protection.verification import Look, look_again
from deid.recognizers.gallery import Enrollment
from deid.types import Options


def face(*box: float) -> Face:
    return Face(box, np.zeros((5, 2)), 1.0)


def test_the_same_face_is_the_one_that_overlaps_most_and_enough() -> None:
    original = face(0, 0, 10, 10)
    shifted, far = face(2, 0, 12, 10), face(20, 20, 30, 30)
    assert same_face(original, [far, shifted, face(5, 0, 15, 10)]) is shifted
    assert same_face(original, [far, face(6, 0, 16, 10)]) is None
    assert same_face(original, []) is None


def look_at(pixels: np.ndarray, saved: np.ndarray, names: Sequence[str]) -> Look:
    protector = Protector(Options())
    (found,) = detect_faces(pixels)
    chain = FaceChain([pixels], [found.landmarks], protector.recognizer.template, torch.device("cpu"))
    (embedding,) = protector.embed(pixels, [found.landmarks])
    enrollments = [[[Enrollment("itself", embedding)]]]
    checks = {name: HANDLINGS[name] for name in names}
    (look,) = look_again(saved, [found], enrollments, protector.surrogates, chain, checks, Costs())
    return look


def test_a_clean_photo_is_first_and_matches_after_every_handling(astronaut: np.ndarray) -> None:
    look = look_at(astronaut, astronaut, (AS_PUBLISHED, JPEG_75))
    assert [sight.handling for sight in look.sights] == [AS_PUBLISHED, JPEG_75]
    assert all(sight.ranks == ((1,),) and sight.matches and sight.found_again for sight in look.sights)
    assert look.published.similarities[0][0] > 0.999
    assert look.sights[1].similarities[0][0] < 0.999
    assert shortcoming(look, PROFILES["paper"]) == f"{AS_PUBLISHED}, it is still recognized"
    assert not is_exact(look, 2)


def test_a_face_that_is_gone_is_looked_at_where_it_was(astronaut: np.ndarray) -> None:
    look = look_at(astronaut, np.full_like(astronaut, 127), (AS_PUBLISHED,))
    assert not look.published.found_again
    assert not look.published.matches
