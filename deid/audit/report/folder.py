"""A report's folder: `shared` for others, `private` for the operator; writing it, and checking it later."""

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deid.audit.report import html, sheets, tables
from deid.audit.report.document import (
    FILES_BESIDE,
    FORMAT,
    PROGRAM,
    differences,
    shared_part,
    signed,
    weights_elsewhere,
    with_files,
)
from deid.audit.report.published_files import Place, place_of
from deid.audit.report.reading import read_document
from deid.audit.run import Audited
from deid.batch.photo_tree import kept_photos, photos_in
from deid.errors import CannotWrite, UsageError, reason_of
from deid.storage.atomic import Identity, keep_off, lies_in, write_atomically
from deid.storage.hashes import file_sha256

Json = dict[str, Any]
SHARED, PRIVATE = "shared", "private"


def check_folder(folder: Path, photos: Sequence[Path]) -> dict[Identity, str]:
    """What a report in `folder` must not be written over, see `write_atomically`: the photos in those folders.

    Raises UsageError for a folder that holds anything but an earlier report, which would be mixed up with this one, and
    for one that lies among the photos, or they in it, by whatever links.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    parts = [folder / part for part in (PRIVATE, SHARED)]
    for place in photos:
        if lies_in(folder, place) or any(lies_in(place, part) for part in parts):
            raise UsageError(f"{folder} and {place} lie in one another: a report and photos need two places")
    kept: dict[Identity, str] = {}
    for place in filter(Path.is_dir, photos):
        kept |= kept_photos(place, photos_in(place), "photo")
    for part in parts:
        if part.is_symlink():
            raise UsageError(f"{part} is a link: a report needs a folder of its own")
        for path in (part, *_visible(part)):
            keep_off(path, kept)
    if folder.is_dir() and {path.name for path in folder.iterdir()} - {SHARED, PRIVATE}:
        raise UsageError(f"{folder} holds other files: a report needs a folder of its own")
    # Folders called «shared» or «private» may be anybody's. Of a report that was broken off the first file is there.
    filled = [part for part in parts if _visible(part)]
    if filled and not any(_is_report(part / "report.json") for part in parts):
        raise UsageError(f"{filled[0]} holds files of no report: a report needs a folder of its own")
    return kept


def write_report(audited: Audited, folder: Path, photos: Sequence[Path], key_file: Path | None = None) -> None:
    """Write both parts; an earlier report there is replaced.

    photos: folders of whatever photos were looked at, where nothing may be written.
    key_file: an Ed25519 private key that signs both. Raises UsageError and CannotWrite.
    """
    kept = check_folder(folder, photos)
    beside = {**tables.private_tables(audited), **sheets.contact_sheets(audited.faces)}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in beside.items()}
    whole, shared = with_files(audited.document, hashes), shared_part(audited.document)
    if key_file is not None:
        whole, shared = signed(whole, key_file), signed(shared, key_file)
    private = {
        "report.json": _text(whole),
        "report.html": html.render(whole).encode(),
        **beside,
    }
    # report.json last: a folder with this file holds a whole report.
    public = {"report.html": html.render(shared).encode(), "report.json": _text(shared)}
    try:
        (folder / PRIVATE).mkdir(parents=True, exist_ok=True)
        (folder / PRIVATE).chmod(0o700)
    except OSError as error:
        raise CannotWrite(f"cannot write {folder}: {reason_of(error)}") from error
    for name, data in private.items():
        write_atomically(data, folder / PRIVATE / name, overwrite=True, mode=0o600, kept=kept)
    for name in sheets.NAMES - private.keys():  # of an earlier report
        (folder / PRIVATE / name).unlink(missing_ok=True)
    for name, data in public.items():
        write_atomically(data, folder / SHARED / name, overwrite=True, kept=kept)


@dataclass(frozen=True)
class Checked:
    """What a check of a report found.

    differences: one line each.
    files: whether the published files were looked at, or nobody said where they are.
    elsewhere: recognizers whose weights are not on this machine, so not checked.
    not_compared: pages that another version of this program drew.
    signed_by: the public key whose signature the report bears, as base64; None for none.
    """

    differences: tuple[str, ...]
    files: bool
    elsewhere: tuple[str, ...]
    not_compared: tuple[str, ...]
    signed_by: str | None


def check_report(folder: Path, published: Sequence[Path]) -> Checked:
    """What differs between a report and its own counts, the weights and the files as they are now.

    folder: of a report, or one of its parts alone, as others have the shared one.
    published: folders of the published photos; without any the private part says where they were. Raises UsageError for
    a folder without a report.
    """
    shared, private = folder / SHARED, folder / PRIVATE
    if not shared.exists() and _is_report(folder / "report.json"):
        shared, private = folder, folder
    document = _read(shared / "report.json")
    places = _places(private / "files.csv", published)
    lines = [*differences(document, places), *_changed_part(shared, document)]
    pages = {"report.html": document}
    if private != shared and _visible(private):
        if (private / "report.json").is_file():
            whole = _read(private / "report.json")
            pages["private report.html"] = whole
            lines += [f"private {line}" for line in (*differences(whole, None), *_changed_part(private, whole))]
            if shared_part(whole)["digest"] != document.get("digest"):
                lines.append("private report.json: the shared part is not made from it")
        else:
            lines.append("private report.json: missing")
    signature = document.get("signature")
    signed_by = signature.get("public_key") if isinstance(signature, dict) else None
    return Checked(
        tuple(dict.fromkeys(lines)),
        places is not None,
        tuple(weights_elsewhere(document)),
        tuple(name for name, of in pages.items() if _drawn_elsewhere(of)),
        signed_by,
    )


def _changed_part(part: Path, document: Json) -> list[str]:
    """What differs of the files beside a part's report.json: its page, and the others by their hashes."""
    hashes = document.get(FILES_BESIDE, {})
    hashes = hashes if isinstance(hashes, dict) else {}
    lines = _changed_page(part / "report.html", document)
    for name, sha256 in hashes.items():
        path = part / PurePosixPath(name).name
        if not path.is_file():
            lines.append(f"{name}: missing")
        elif file_sha256(path) != sha256:
            lines.append(f"{name}: not the file that was written")
    known = {"report.json", "report.html", *hashes}
    return lines + [
        f"{path.name}: the report does not know this file" for path in _visible(part) if path.name not in known
    ]


def _changed_page(page: Path, document: Json) -> list[str]:
    if not page.is_file():
        return ["report.html: missing"]
    text = page.read_text(encoding="utf-8", errors="replace")
    if f'content="{document.get("digest")}"' not in text:
        return ["report.html: made from another report.json"]
    try:
        edited = not _drawn_elsewhere(document) and text != html.render(document)
    except ValueError:  # an edited report, of which the other lines tell more
        edited = True
    return ["report.html: edited after it was made"] if edited else []


def _drawn_elsewhere(document: Json) -> bool:
    """By another version of this program, which may draw a page otherwise."""
    made = document.get("made")
    return not isinstance(made, dict) or made.get("drawn_by") != html.drawn_by()


def _places(listing: Path, published: Sequence[Path]) -> list[Place] | None:
    """The folders of published files as they are now, their files called by their ids where the private part tells
    them, else by their paths; None where nobody says which they are.
    """
    rows: list[dict[str, str]] = []
    if listing.is_file():
        with listing.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    try:
        ids = {Path(row["published"]): row["id"] for row in rows}
        listed = [(row["id"], PurePosixPath(row["name"]), Path(row["published"])) for row in rows]
    except (KeyError, TypeError, ValueError):  # not the file that was written, which is told elsewhere
        ids, listed = {}, []
    if published:
        return [
            place_of(
                (ids.get((place / path).resolve(), str(place / path)), path, place / path) for path in photos_in(place)
            )
            for place in published
        ]
    labels = dict.fromkeys(photo.rstrip("0123456789") for photo, *_ in listed)
    return [place_of(file for file in listed if file[0].rstrip("0123456789") == label) for label in labels] or None


def _visible(folder: Path) -> list[Path]:
    """What is in a folder, if there is one; a write that was killed leaves a hidden file."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []


def _is_report(path: Path) -> bool:
    """Of this version or another."""
    try:
        return bool(_any_version(path))
    except UsageError:
        return False


def _read(path: Path) -> Json:
    document = _any_version(path)
    if document["format"] != FORMAT:
        raise UsageError(f"{path} was made by another version of this program ({document['format']}): audit again")
    return document


def _any_version(path: Path) -> Json:
    document = read_document(path)
    if not str(document.get("format")).startswith(PROGRAM):
        raise UsageError(f"{path} is not a report of this program")
    return document


def _text(document: Json) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
