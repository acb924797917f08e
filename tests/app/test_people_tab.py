"""Enrolling people for one session."""

from pathlib import Path

import pytest
from PIL import Image
from ui.fake_service import fake_service

from deid.app import people_tab
from deid.app.service import Service
from deid.app.sessions import Refused, Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    (tmp_path / "session").mkdir()
    return Session(tmp_path / "session")


@pytest.fixture
def service() -> Service:
    return fake_service()[0]


def photos(folder: Path) -> list[Path]:
    """Two with faces, one without, and no photo."""
    for name, color in {"a.png": "white", "b.png": "gray", "wall.png": "black"}.items():
        Image.new("RGB", (160, 80), color).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"broken")
    return sorted(path for path in folder.iterdir() if path.is_file())


def test_a_person_is_a_folder_of_the_photos_that_show_a_face(
    tmp_path: Path, session: Session, service: Service
) -> None:
    assert people_tab.people_of(session) is None
    assert people_tab.everybody(session) == "Nobody is enrolled."
    assert people_tab.take_person(session, "  Ada  Lovelace ", photos(tmp_path), service) == 2
    people = people_tab.people_of(session)
    assert people is not None
    assert sorted(str(path.relative_to(people)) for path in people.rglob("*.*")) == [
        "Ada Lovelace/0.png",
        "Ada Lovelace/1.png",
    ]
    assert people_tab.everybody(session) == "Enrolled: Ada Lovelace."


@pytest.mark.parametrize("name", ["", " ", "..", "a/b", "a\\b", ".hidden", "x" * 61])
def test_a_name_that_is_no_folder_s_is_refused(tmp_path: Path, session: Session, service: Service, name: str) -> None:
    with pytest.raises(Refused, match="name"):
        people_tab.take_person(session, name, photos(tmp_path), service)


def test_nobody_is_enrolled_from_photos_without_a_face(tmp_path: Path, session: Session, service: Service) -> None:
    with pytest.raises(Refused, match="No face"):
        people_tab.take_person(session, "Ada", [path for path in photos(tmp_path) if "wall" in path.name], service)
    assert people_tab.people_of(session) is None
