"""What there is to learn of whom: hand-made faces, whose identities can be counted by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.audit import lessons
from deid.audit.lessons import ANOTHER_PHOTO, THIS_PHOTO, Known, KnownFace, Lesson, lessons_for
from deid.audit.store import GALLERY, ORIGINALS, PEOPLE
from deid.errors import UsageError


def faces(place: str, persons: Sequence[str]) -> list[KnownFace]:
    """Each in a direction of its own."""
    return [KnownFace((place, f"{i}.png", 0), person, np.eye(16)[i]) for i, person in enumerate(persons)]


def known(originals: str = "", enrolled: str = "", strangers: int = 0, decoys: int = 0) -> Known:
    """A letter is a person's photo."""
    return Known(
        faces(ORIGINALS, originals),
        faces(PEOPLE, enrolled),
        faces(GALLERY, [f"/{number}" for number in range(strangers)]),
        np.eye(16)[:decoys],
    )


def lessons_of(photos: int, of: Known) -> dict[str, Lesson]:
    return {lesson.knows: lesson for lesson in lessons_for(of, photos, "a defense")}


def test_the_photo_itself_is_known_in_one_lesson_alone() -> None:
    found = lessons_of(1, known(originals="ab", enrolled="abc"))
    assert {knows: len(lesson.faces) for knows, lesson in found.items()} == {THIS_PHOTO: 5, ANOTHER_PHOTO: 3}
    assert {place for place, *_ in found[ANOTHER_PHOTO].faces} == {PEOPLE}
    assert list(found[THIS_PHOTO].people) == list(found[ANOTHER_PHOTO].people) == ["a", "b", "c"]


def test_without_enrolled_people_there_is_only_the_photo_itself() -> None:
    assert lessons_of(0, known(originals="a", decoys=3)).keys() == {THIS_PHOTO}


@pytest.mark.parametrize(("photos", "identities"), [(0, 2 + 3 + 4), (1, 2 + 3), (2, 2)])
def test_decoys_and_strangers_are_identities_where_no_photos_of_them_are_needed(photos: int, identities: int) -> None:
    (lesson,) = lessons_of(photos, known(originals="aabb", strangers=3, decoys=4)).values()
    assert len(lesson.prototypes) == identities


def test_a_prototype_is_the_mean_of_all_known_faces() -> None:
    (lesson,) = lessons_of(0, known(originals="aab", decoys=1)).values()
    assert np.allclose(lesson.prototypes[0], (np.eye(16)[0] + np.eye(16)[1]) / 2**0.5)
    assert np.allclose(lesson.prototypes[1:], np.eye(16)[[2, 0]])


def test_who_has_too_few_photos_is_left_out() -> None:
    (lesson,) = lessons_of(2, known(originals="aabbc")).values()
    assert lesson.people == {"a": 0, "b": 1}
    assert lesson.labels == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("of", "photos", "message"),
    [
        (known(originals="aab"), 2, "dnr needs 2 clean photos of each of two people or more.*: b has 1$"),
        (known(originals="abcdefgh"), 3, "a has 1, b has 1, c has 1, d has 1, e has 1 and 3 others have too few"),
        (known(originals="aaa"), 2, ": only a has them"),
        (known(), 0, ": nobody has them"),
    ],
)
def test_a_gallery_with_nothing_to_learn_is_refused_with_names(of: Known, photos: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lessons_for(of, photos, "dnr")


@given(
    st.text("abcde", min_size=2, max_size=16),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(1, 20),
    st.integers(1, 3),
)
def test_classes_with_photos_come_first_and_memory_is_bounded(
    originals: str, photos: int, strangers: int, most: int, most_of_a_person: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "MOST_LEARNED", most)
        patch.setattr(lessons, "MOST_OF_A_PERSON", most_of_a_person)
        try:
            found = lessons_of(photos, known(originals=originals, strangers=strangers, decoys=2))
        except UsageError:
            assert photos
            return
    for lesson in found.values():
        counts = np.bincount(lesson.labels, minlength=len(lesson.prototypes))
        taught = max(lesson.labels, default=-1) + 1
        assert len(lesson.faces) == len(lesson.labels) == len(set(lesson.faces)) <= most
        assert (counts[:taught] >= max(1, photos)).all()
        assert taught == len(lesson.prototypes) or photos == 0
        assert counts.max(initial=0) <= max(photos, most_of_a_person)
        assert np.allclose(np.linalg.norm(lesson.prototypes, axis=1), 1)
