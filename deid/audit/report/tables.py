"""The private part's tables: of faces, of persons who stand too often at one rank, of files."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from deid.anonymity.even_spread import even_spread_p_value, holm
from deid.audit.counts import photos_at_ranks
from deid.audit.look_counts import RANK
from deid.audit.run import Audited
from deid.audit.sets import FIRST_CANDIDATES, FaceLine

Json = dict[str, Any]


def private_tables(audited: Audited) -> dict[str, bytes]:
    """File name → CSV."""
    return {"faces.csv": _faces(audited), "persons.csv": _persons(audited), "files.csv": _files(audited)}


def _faces(audited: Audited) -> bytes:
    rows = [
        {
            "id": face.id, "original": face.original, "published": face.published, "face": face.number,
            "box": " ".join(f"{value:.1f}" for value in face.box), "person": face.person, **face.values,
        }
        for face in audited.faces
    ]  # fmt: skip
    return _table(["id", "original", "published", "face", "box", "person", *_columns(audited.faces)], rows)


def _persons(audited: Audited) -> bytes:
    """How the photos of each person with two or more at the ranks 2..K+1 spread over them, in each set and gallery.

    p, corrected for many persons: of so uneven a spread or worse by chance. The report's «too often at one rank» are
    those under 0.05. Sets whose faces may stand anywhere in a list are left out.
    """
    K = audited.document["configuration"]["k_level"]
    spread_over = {part["label"]: part["counts"]["spread_over"] for part in audited.document["sets"]}
    sets: dict[str, list[FaceLine]] = {}
    for face in audited.faces:
        label = face.id.rstrip("0123456789")
        if spread_over[label] == FIRST_CANDIDATES:
            sets.setdefault(label, []).append(face)
    rows: list[Json] = []
    for label, faces in sets.items():
        for column in (column for column in _columns(faces) if f": {RANK}" in column):
            ranked = [face for face in faces if column in face.values]
            photos = photos_at_ranks([face.values[column] for face in ranked], [face.person for face in ranked], K)
            corrected = holm([even_spread_p_value(counts) for counts in photos.values()])
            rows += [
                {"set": label, "gallery": column, "person": person, "p, corrected": p}
                | {f"rank {rank}": count for rank, count in enumerate(counts, 2)}
                for (person, counts), p in zip(photos.items(), corrected, strict=True)
            ]
    rows.sort(key=lambda row: float(row["p, corrected"]))
    return _table(["set", "gallery", "person", "p, corrected", *(f"rank {rank}" for rank in range(2, K + 2))], rows)


def _files(audited: Audited) -> bytes:
    rows = [
        {"id": photo, "published": path.resolve(), "name": audited.names[photo].as_posix()}
        for photo, path in audited.paths.items()
    ]
    return _table(["id", "published", "name"], rows)


def _columns(faces: Sequence[FaceLine]) -> list[str]:
    return list(dict.fromkeys(name for face in faces for name in face.values))


def _table(columns: Sequence[str], rows: Sequence[Json]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
