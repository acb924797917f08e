"""What an auditor must be told of single photos: missing, swapped, changed, left as they were."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deid.audit.matching import same_photo
from deid.errors import ImageError
from deid.images.jpeg_quality import jpeg_quality
from deid.images.pillow_settings import applied

Json = dict[str, Any]

RECOMPRESSED_BELOW = 85
# Kinds of which the first screen tells in answers of their own.
FIRST_ELSEWHERE, SECOND_LOOK, POSSIBLE = "first elsewhere", "second look", "possible face"
UNREADABLE_ORIGINAL = "unreadable original"


def quality_of_file(path: Path) -> int | None:
    """Of a JPEG file, as `jpeg_quality` estimates it; None for others."""
    try:
        with applied(), Image.open(path, formats=("JPEG",)) as image:
            return jpeg_quality(image)
    except (OSError, ImageError, ValueError, SyntaxError):
        return None


def findings_of(
    originals: Mapping[str, Json],
    published: Mapping[str, Json],
    extra: Mapping[str, Json],
    ids: Mapping[str, str],
    recorded: Mapping[str, str] | None,
    first_elsewhere: Mapping[tuple[str, int], str] | None = None,
    second_look: Iterable[tuple[str, int]] = (),
) -> list[Json]:
    """[{kind, id, detail}] of a set, by id.

    originals, published, extra (files without an original): path → record of the store.
    ids: path of an original, or of an extra file → id.
    recorded: path of an original → SHA-256 that the run wrote; None without a run's journal.
    first_elsewhere: (path of an original, face number) → by whom a face is put first where other programs find it.
    second_look: the faces that a usual program's one look would miss.
    """
    findings: list[Json] = []

    def add(path: str, kind: str, detail: str) -> None:
        findings.append({"kind": kind, "id": ids[path], "detail": detail})

    for (path, number), where in (first_elsewhere or {}).items():
        add(path, FIRST_ELSEWHERE, f"face {number + 1} is first {where}")
    for path, n in Counter(path for path, _ in second_look).items():
        add(path, SECOND_LOOK, f"{n} found only by a second look (turned, cut off, covered or small)")
    for path, record in extra.items():
        add(path, *_extra_finding(record, originals, ids))
    for path, original in originals.items():
        if original["problem"] == "unreadable":
            add(path, UNREADABLE_ORIGINAL, "the original cannot be read")
        elif original["problem"] == "faceless":
            add(path, "faceless original", "no face found in the original")
        if original["possible"]:
            add(path, POSSIBLE, f"{original['possible']} seen in the original that may be a face: not audited")
        if path not in published:
            written = recorded is not None and path in recorded
            if recorded is not None and not written and not original["problem"]:
                add(path, "not written", "the run wrote no version of this original, and there is none")
            # Of an original in which there is nobody to protect, or that nobody can read, nothing has to be published.
            elif written or not original["problem"]:
                add(path, "missing", "the original has no published version")
            continue
        record = published[path]
        if original["problem"] == "unreadable" and record["problem"] != "unreadable":
            add(path, "not compared", "published, but its original cannot be read: not audited")
        as_written = recorded is not None and recorded.get(path) == record["sha256"]
        if recorded is not None and not as_written:
            add(path, "changed since", "not the file that the run wrote")
        if record["problem"] == "unreadable":
            add(path, "unreadable", "the published file cannot be read")
        elif record["problem"] == "not a version":
            alike = _alike(record, originals, path)
            if len(alike) == 1:
                add(path, "swapped", f"shows the photo whose version should be {ids[alike[0]]}")
            else:
                add(path, "not a version", "another picture than its original, or one in which little of it is left")
        elif record["problem"] == "faceless":
            add(path, "faceless", "no face is found any more; the faces were recognized where they had been")
        elif lost := record["found"].count(False):
            add(path, "face lost", f"{lost} not found again, recognized where they had been")
        if record["unchanged"] and original["faces"]:
            add(path, "unchanged", "pixel for pixel the original")
        if record["new_faces"]:
            add(path, "new face", f"{record['new_faces']} found that the original does not have")
        if record["shining_through"]:
            add(path, "shining through", f"{record['shining_through']} found on white or on black alone: not audited")
        # An original, or another picture, has no protection that saving could have cost; a run's own file lost none.
        protected = record["problem"] in ("", "faceless") and not record["unchanged"] and not as_written
        if protected and record["jpeg_quality"] is not None and record["jpeg_quality"] < RECOMPRESSED_BELOW:
            add(path, "recompressed", f"JPEG of quality {record['jpeg_quality']}: perhaps not as it was protected")
    return sorted(findings, key=lambda finding: (len(finding["id"]), finding["id"], finding["kind"]))


def _extra_finding(record: Json, originals: Mapping[str, Json], ids: Mapping[str, str]) -> tuple[str, str]:
    """Kind and detail of a published file that has no original's name."""
    for path, original in originals.items():
        if original["sha256"] and original["sha256"] == record["sha256"]:
            return "original published", f"the very original of {ids[path]}, byte for byte, under another name"
    if alike := _alike(record, originals):
        shown = ", ".join(ids[path] for path in alike)
        return "second version", f"shows the photo of {shown}, but has another name: not audited"
    return "extra", "a published file without an original: not audited"


def _alike(record: Json, originals: Mapping[str, Json], own: str = "") -> list[str]:
    """The originals, but for a file's own, that the published file could be a version of."""
    if not record["thumbnail"]:
        return []
    small = _picture(record["thumbnail"])
    return [
        path
        for path, original in originals.items()
        if path != own and original["thumbnail"] and same_photo(_picture(original["thumbnail"]), small)
    ]


def _picture(hexadecimal: str) -> np.ndarray:
    values = np.frombuffer(bytes.fromhex(hexadecimal), np.uint8)
    side = int(len(values) ** 0.5)
    return values.reshape(side, side)
