import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid.audit.persons import ReferenceFace, another_photo, persons_of

THRESHOLD = math.cos(math.radians(20))


def at(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))], np.float32)


def face(path: str, degrees: float, folder: str | None = None, sha256: str = "") -> ReferenceFace:
    return ReferenceFace(path, sha256 or f"sha of {path}", folder, at(degrees))


class TestPersons:
    def test_without_folders_like_faces_are_one_person(self):
        faces = [face("1", 0), face("2", 90), face("3", 15), face("4", 100), face("5", 200)]
        assert persons_of(faces, [], THRESHOLD) == ["#1", "#2", "#1", "#2", "#3"]

    def test_two_faces_of_one_photo_are_two_people_however_like(self):
        faces = [face("1", 0), face("1", 1), face("2", 2)]
        first, second, third = persons_of(faces, [], THRESHOLD)
        assert first != second
        assert third in (first, second)

    def test_the_most_similar_enrolled_face_names_a_person(self):
        people = [face("ann/1", 0, "ann"), face("bob/1", 30, "bob")]
        faces = [face("1", 14), face("2", 16), face("3", 49), face("4", 51)]
        assert persons_of(faces, people, THRESHOLD) == ["ann", "bob", "bob", "#1"]

    def test_a_file_that_lies_in_a_persons_folder_is_theirs_whatever_it_looks_like(self):
        people = [face("ann/1", 0, "ann"), face("bob/1", 90, "bob", "same file"), face("bob/2", 1, "bob")]
        faces = [face("1", 90, sha256="same file"), face("2", 0.4)]
        assert persons_of(faces, people, THRESHOLD) == ["bob", "ann"]
        # With no threshold that anything reaches, a recognizer without one, the file itself still tells.
        assert persons_of(faces, people, 1.01) == ["bob", "#1"]

    def test_another_face_in_such_a_file_is_not_named_by_it(self):
        people = [face("ann/1", 0, "ann", "same file")]
        faces = [face("1", 0, sha256="same file"), face("1", 180, sha256="same file")]
        assert persons_of(faces, people, THRESHOLD) == ["ann", "#1"]

    @settings(max_examples=40)
    @given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.randoms())
    def test_people_who_are_well_apart_are_told_apart_in_any_order(self, who: list[int], random: Any):
        faces = [face(f"{i:02d}", 60 * person + random.uniform(-5, 5)) for i, person in enumerate(who)]
        order = random.sample(range(len(who)), len(who))
        persons = persons_of([faces[i] for i in order], [], THRESHOLD)
        together = {(who[i], person) for i, person in zip(order, persons, strict=True)}
        assert len(together) == len(set(who)) == len(set(persons))


class TestAnotherPhoto:
    def test_the_next_of_the_person_and_the_first_after_the_last(self):
        faces = [face("1", 0), face("2", 1), face("3", 90), face("4", 2)]
        others = another_photo(faces, ["a", "a", "b", "a"], [])
        assert [other and other.path for other in others] == ["2", "4", None, "1"]

    def test_an_enrolled_photo_serves_where_no_original_does(self):
        people = [face("ann/1", 0, "ann", "same file"), face("ann/2", 1, "ann"), face("bob/1", 90, "bob")]
        others = another_photo([face("1", 0, sha256="same file")], ["ann"], people)
        assert [other and other.path for other in others] == ["ann/2"]

    def test_a_copy_of_the_same_file_is_no_other_photo(self):
        faces = [face("1", 0, sha256="x"), face("copy of 1", 0, sha256="x")]
        assert another_photo(faces, ["a", "a"], []) == [None, None]


@pytest.mark.parametrize("degrees", [19.9, 20.1])
def test_the_threshold_decides(degrees: float):
    people = [face("ann/1", 0, "ann")]
    assert persons_of([face("1", degrees)], people, THRESHOLD) == (["ann"] if degrees < 20 else ["#1"])
