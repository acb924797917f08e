"""People enrolled for one page, and people kept on purpose."""

import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from fakes import fake_service
from PIL import Image

from deid.app import handlers, people
from deid.app.service import Service
from deid.app.sessions import Refused, Session
from deid.audit import candidates
from deid.types import Options


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return new_session(tmp_path / "session")


@pytest.fixture
def service() -> Service:
    return fake_service()[0]


def new_session(folder: Path) -> Session:
    folder.mkdir()
    return Session(folder)


def photos(folder: Path) -> list[Path]:
    """Two with faces, one of them with a note in its metadata; one without a face, and no photo."""
    exif = Image.Exif()
    exif[0x010E] = "at home"
    for name, color in {"a.png": "white", "b.jpg": "gray", "wall.png": "black"}.items():
        Image.new("RGB", (160, 80), color).save(folder / name, exif=exif)
    (folder / "broken.jpg").write_bytes(b"broken")
    return sorted(path for path in folder.iterdir() if path.is_file())


def kept(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_person_is_a_folder_of_the_photos_that_show_a_face(
    tmp_path: Path, session: Session, service: Service
) -> None:
    assert people.people_of(session) is None
    assert people.describe_enrolled(session) == "Nobody is enrolled."
    assert people.take_person(session, "  Ada  Lovelace ", photos(tmp_path), service) == 2
    folder = people.people_of(session)
    assert folder is not None
    assert sorted((path.parent.name, path.suffix) for path in kept(folder)) == [
        ("Ada Lovelace", ".jpg"),
        ("Ada Lovelace", ".png"),
    ]
    assert all(b"at home" not in path.read_bytes() for path in kept(folder))
    assert people.describe_enrolled(session) == "Enrolled: Ada Lovelace."
    people.forget_people(session)
    assert people.people_of(session) is None


@pytest.mark.parametrize("name", ["", " ", "..", "a/b", "a\\b", ".hidden", "x" * 61, "Itself", "this  person"])
def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path, session: Session, service: Service, name: str) -> None:
    with pytest.raises(Refused, match="name"):
        people.take_person(session, name, photos(tmp_path), service)


def test_nobody_is_enrolled_from_photos_without_a_face(tmp_path: Path, session: Session, service: Service) -> None:
    with pytest.raises(Refused, match="No face"):
        people.take_person(session, "Ada", [path for path in photos(tmp_path) if "wall" in path.name], service)
    assert people.people_of(session) is None


def test_who_says_which_of_them_they_are_is_protected_with_all_of_their_photos(
    tmp_path: Path, session: Session, service: Service
) -> None:
    assert people.told_about(session, Options()) == Options()
    people.take_person(session, "Ada", photos(tmp_path), service)
    enrolled = people.people_of(session)
    assert enrolled is not None
    assert people.told_about(session, Options()) == Options(people=enrolled)
    with pytest.raises(Refused, match="«Bob» is not enrolled"):
        people.is_me(session, "Bob")
    people.is_me(session, "Ada")
    assert people.told_about(session, Options()) == Options(people=enrolled, mine=enrolled / "Ada")
    people.is_me(session, "")
    assert people.told_about(session, Options()).mine is None
    people.is_me(session, "Ada")
    people.forget_people(session)
    assert people.told_about(session, Options()) == Options(), "who is forgotten is nobody's person"


def test_too_many_photos_of_a_person_are_refused(
    tmp_path: Path, session: Session, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "MAX_PHOTOS", 2)
    with pytest.raises(Refused, match="At most 2"):
        people.take_person(session, "Ada", photos(tmp_path), service)


def test_saved_on_purpose_a_person_is_there_in_a_later_session_until_deleted(
    tmp_path: Path, session: Session, service: Service
) -> None:
    assert people.save_people(session) == []
    people.take_person(session, "Ada", photos(tmp_path), service)
    assert people.saved_people() == []
    for _ in range(2):  # what is kept already is not kept twice
        assert people.save_people(session) == ["Ada"]
    assert people.saved_people() == ["Ada"]
    saved = people.saved_folder()
    assert len(kept(saved)) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept(saved)} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (saved, saved / "Ada")} == {0o700}
    session.delete()

    later = new_session(tmp_path / "later")
    assert people.people_of(later) is None
    people.enroll_saved(later, ["Ada"])
    assert people.describe_enrolled(later) == "Enrolled: Ada."
    assert [path.name for path in kept(later.folder)] == [path.name for path in kept(saved)]
    people.delete_saved(["Ada"])
    assert people.saved_people() == []
    assert kept(saved) == []
    assert people.describe_enrolled(later) == "Enrolled: Ada."


def test_no_request_can_name_a_folder_that_is_no_saved_person(
    tmp_path: Path, session: Session, service: Service
) -> None:
    people.take_person(session, "Ada", photos(tmp_path), service)
    people.save_people(session)
    other = people.saved_folder().parent / "other"
    other.mkdir()
    (other / "a.png").write_bytes(b"1")
    names = ["../other", str(other), "..", ".", ""]
    people.delete_saved(names)
    people.enroll_saved(session, names)
    assert (other / "a.png").is_file()
    assert people.saved_people() == ["Ada"]
    assert people.describe_enrolled(session) == "Enrolled: Ada."


def test_an_enrolled_person_is_named_in_a_real_protection(
    tmp_path: Path, session: Session, astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "candidates_of", lambda *_, **__: [])
    portrait, photo = tmp_path / "portrait.png", tmp_path / "photo.png"
    Image.fromarray(astronaut[:300, 50:400]).save(portrait)
    brighter = np.clip(astronaut[:260, 80:380] * 1.1, 0, 255).astype(np.uint8)
    Image.fromarray(brighter).save(photo)
    assert people.take_person(session, "Eileen", [portrait], Service()) == 1
    options = Options(k_level=3, profile="paper", seed=1, people=people.people_of(session))
    found = handlers.find_faces(photo)
    done = handlers.protect_photo(found, ["1"], options, lambda step: None, threading.Event())
    (face,) = done.result.faces
    assert (done.result.outcome, face.identity, face.rank_before) == ("protected", "Eileen", 1)
    assert face.rank_after == face.k
    nobody = handlers.protect_photo(found, ["1"], Options(method="pixelate"), lambda step: None, threading.Event())
    assert nobody.result.faces[0].identity == "itself"
