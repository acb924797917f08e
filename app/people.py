"""People whom the recognizer is to know: enrolled for one open page, or kept on this computer on purpose."""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import platformdirs

from deid.types import Options

from .service import Service
from .sessions import Refused, Session
from .uploads import unpack

MAX_NAME_LENGTH = 60
MAX_PHOTOS = 30  # of one person: every run reads them again
RESERVED_NAMES = ("itself", "this person")  # what the results call a person without a name


def take_person(session: Session, name: str, files: Sequence[Path], service: Service) -> int:
    """Enroll a person from the photos that show a face; how many these are. What is kept has no metadata.

    Raises Refused for a name that cannot be a folder's, for too many photos, and if none shows a face.
    """
    name = " ".join(name.split())
    if (
        not name
        or name.startswith(".")
        or len(name) > MAX_NAME_LENGTH
        or any(character in name for character in "/\\:\0")
    ):
        raise Refused("A name of letters is needed, as it shall stand in the results.")
    if name.casefold() in RESERVED_NAMES:
        raise Refused(f"«{name}» is what the results call somebody without a name: choose another.")
    unpacked = unpack(files, session.new_folder())
    try:
        if unpacked.count > MAX_PHOTOS:
            raise Refused(f"At most {MAX_PHOTOS} photos of a person: a few good ones are enough.")
        photos = [path for path in sorted(unpacked.folder.rglob("*")) if path.is_file()]
        clean = [_without_metadata(path) for path in photos if _shows_a_face(path, service)]
    finally:
        shutil.rmtree(unpacked.folder, ignore_errors=True)
    if not clean:
        raise Refused("No face was found in these photos.")
    _store(_enrolled(session) / name, clean)
    return len(clean)


def people_of(session: Session) -> Path | None:
    """The folder of enrolled people, None while there is nobody."""
    return _enrolled(session) if _names(_enrolled(session)) else None


def told_about(session: Session, options: Options) -> Options:
    """The options with the people of this page, and with the photos of whoever said which of them they are."""
    return replace(options, people=people_of(session), mine=_photos_of_me(session))


def is_me(session: Session, name: str) -> None:
    """Who sits at the page is this enrolled person; nobody for an empty name. Raises Refused for somebody else."""
    if name and name not in _names(_enrolled(session)):
        raise Refused(f"«{name}» is not enrolled.")
    _me(session).write_text(name or "", encoding="utf-8")


def names_of(session: Session) -> list[str]:
    return _names(_enrolled(session))


def my_name(session: Session) -> str:
    """Empty where nobody said, or who did was forgotten."""
    photos = _photos_of_me(session)
    return photos.name if photos else ""


def _photos_of_me(session: Session) -> Path | None:
    name = _me(session).read_text(encoding="utf-8") if _me(session).is_file() else ""
    return _enrolled(session) / name if name in _names(_enrolled(session)) else None


def _me(session: Session) -> Path:
    return session.folder / "me"


def describe_enrolled(session: Session) -> str:
    names = _names(_enrolled(session))
    return f"Enrolled: {', '.join(names)}." if names else "Nobody is enrolled."


def forget_people(session: Session) -> None:
    shutil.rmtree(_enrolled(session), ignore_errors=True)


def saved_folder() -> Path:
    """Where people are kept beyond a session: a folder a person, as `--people` takes it; for this user's eyes alone."""
    return Path(platformdirs.user_data_dir("face-deid")) / "people"


def saved_people() -> list[str]:
    return _names(saved_folder())


def save_people(session: Session) -> list[str]:
    """Keep everybody who is enrolled; their names. Photos that are kept already stay."""
    names = _names(_enrolled(session))
    for name in names:
        _copy(_enrolled(session) / name, saved_folder() / name)
    return names


def enroll_saved(session: Session, names: Iterable[str]) -> None:
    for name in _only_saved(names):
        _copy(saved_folder() / name, _enrolled(session) / name)


def delete_saved(names: Iterable[str]) -> None:
    for name in _only_saved(names):
        shutil.rmtree(saved_folder() / name)


def _only_saved(names: Iterable[str]) -> list[str]:
    """A request can name any path."""
    return sorted(set(names) & set(saved_people()))


def _enrolled(session: Session) -> Path:
    return session.folder / "people"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _copy(person: Path, target: Path) -> None:
    _store(target, [(path.read_bytes(), path.suffix) for path in sorted(person.iterdir())])


def _store(person: Path, photos: Iterable[tuple[bytes, str]]) -> None:
    """Photos and their suffixes into a person's folder: each one once, readable by the user alone."""
    from deid.storage.atomic import write_atomically

    for folder in (person.parent, person):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for data, suffix in photos:
        path = person / f"{hashlib.sha256(data).hexdigest()[:16]}{suffix}"
        write_atomically(data, path, overwrite=True, mode=0o600)


def _without_metadata(path: Path) -> tuple[bytes, str]:
    """The photo as it is kept: its data and its suffix."""
    from deid.images.formats import output_format, suffix_for
    from deid.images.photo import encode_photo, read_photo

    photo = read_photo(path)
    file_format = output_format(photo.format)
    return encode_photo(photo, file_format=file_format, keep_metadata=False), suffix_for(file_format)


def _shows_a_face(path: Path, service: Service) -> bool:
    from deid.errors import ImageError

    try:
        return bool(service.find_faces(path).boxes)
    except ImageError:
        return False
