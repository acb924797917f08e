"""The published files of a report, and what differs in them today."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from deid.storage.hashes import file_sha256, pair_sha256

Json = dict[str, Any]


@dataclass(frozen=True)
class FileNow:
    """A file as it is now.

    sha256: of its bytes; pair_sha256: of its name below the published folder and its bytes.
    """

    sha256: str
    pair_sha256: str


Place = Mapping[str, FileNow]
"""A folder's files: what messages call each, the report's id where that is known → the file."""


def place_of(files: Iterable[tuple[str, PurePath, Path]]) -> Place:
    """files: (what messages call it, name below the folder, path); what cannot be opened is not there."""
    place = {}
    for called, name, path in files:
        with suppress(OSError):
            place[called] = FileNow(file_sha256(path), pair_sha256(name, path))
    return place


def changed_files(sets: Sequence[Json], places: Iterable[Place]) -> list[str]:
    """Files of the report that are not there as they were, or under another name, and files it does not know; a line
    each.
    """
    now: dict[str, dict[str, FileNow]] = {part["label"]: {} for part in sets}
    for place in places:
        if sets:
            now[_set_of(place, sets)].update(place)
    return [line for part in sets for line in _changed_in(part["files"], now[part["label"]])]


def _set_of(place: Place, sets: Sequence[Json]) -> str:
    """Label of the set that the folder has most in common with: of two sets the photos have the same names."""

    def common(part: Json) -> tuple[int, ...]:
        return tuple(
            len({file[of] for file in part["files"]} & {getattr(file, of) for file in place.values()})
            for of in ("pair_sha256", "sha256")
        )

    return str(max(sets, key=common)["label"])


def _changed_in(audited: Sequence[Json], now: Place) -> list[str]:
    lines, hashes, pairs = [], {file.sha256 for file in now.values()}, {file.pair_sha256 for file in now.values()}
    for file in audited:
        photo, sha256 = file["id"], file["sha256"]
        if photo in now and now[photo].sha256 != sha256:
            lines.append(f"{photo}: not the file that was audited")
        elif sha256 and sha256 not in hashes:
            lines.append(f"{photo}: no file has the SHA-256 it had ({sha256[:16]}…)")
        elif sha256 and file["pair_sha256"] not in pairs:
            lines.append(f"{photo}: the file with its SHA-256 has another name")
    ids = {file["sha256"]: file["id"] for file in audited}
    known = {file["pair_sha256"] for file in audited} | {file["id"] for file in audited}
    for name, there in now.items():
        if there.sha256 not in ids and name not in known:
            lines.append(f"{name}: the report does not know this file")
        elif there.sha256 in ids and there.pair_sha256 not in known:
            lines.append(f"{name}: has the SHA-256 of {ids[there.sha256]}, and not its name")
    return lines
