"""What an auditor must be told of single photos: missing, swapped, changed, left as they were."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deid.audit.matching import same_photo
from deid.image_errors import ImageError
from deid.pillow_settings import applied

Json = dict[str, Any]

# Sum of the luminance table that JPEG's standard prints (ISO 10918-1, K.1): quality 50 of the IJG's scale.
_STANDARD_TABLE_SUM = 3688
RECOMPRESSED_BELOW = 85


def jpeg_quality(path: Path) -> int | None:
    """IJG quality (1 to 100) that a JPEG file's luminance table comes nearest to; None for other files."""
    try:
        with applied(), Image.open(path, formats=("JPEG",)) as image:
            table = getattr(image, "quantization", {}).get(0)
    except (OSError, ImageError, ValueError, SyntaxError):
        return None
    if not table:
        return None
    percent = 100 * sum(table) / _STANDARD_TABLE_SUM
    quality = 5000 / percent if percent > 100 else (200 - percent) / 2
    return int(np.clip(round(quality), 1, 100))


def findings_of(
    originals: Mapping[str, Json],
    published: Mapping[str, Json],
    extra: Sequence[str],
    ids: Mapping[str, str],
    recorded: Mapping[str, str] | None,
) -> list[Json]:
    """[{kind, id, detail}] of a set, by id. originals, published: path → record of the store; extra: unmatched paths.

    ids: path of an original, or of an extra file → id; recorded: path of an original → SHA-256 that the run wrote.
    """
    found: list[Json] = []

    def say(path: str, kind: str, detail: str) -> None:
        found.append({"kind": kind, "id": ids[path], "detail": detail})

    for path in extra:
        say(path, "extra", "a published file without an original")
    for path, original in originals.items():
        if original["problem"] == "unreadable":
            say(path, "unreadable", "the original cannot be read")
        elif original["problem"] == "faceless":
            say(path, "faceless original", "no face found in the original")
        if path not in published:
            say(path, "missing", "the original has no published version")
            continue
        record = published[path]
        if recorded is not None and recorded.get(path) != record["sha256"]:
            say(path, "changed since", "not the file that the run wrote")
        if record["problem"] == "unreadable":
            say(path, "unreadable", "the published file cannot be read")
        elif record["problem"] == "not a version":
            of = _shows(record, originals, path)
            if of is None:
                say(path, "not a version", "not a version of its original: another picture")
            else:
                say(path, "swapped", f"shows the photo whose version should be {ids[of]}")
        elif record["problem"] == "faceless":
            say(path, "faceless", "no face is found any more; the faces were recognized where they had been")
        elif lost := record["found"].count(False):
            say(path, "face lost", f"{lost} not found again, recognized where they had been")
        if record["unchanged"] and original["faces"]:
            say(path, "unchanged", "pixel for pixel the original")
        if record["new_faces"]:
            say(path, "new face", f"{record['new_faces']} found that the original does not have")
        # An original, or another picture, has no protection that saving could have cost.
        protected = record["problem"] in ("", "faceless") and not record["unchanged"]
        if protected and record["jpeg_quality"] is not None and record["jpeg_quality"] < RECOMPRESSED_BELOW:
            say(path, "recompressed", f"JPEG of quality {record['jpeg_quality']}: perhaps not as it was protected")
    return sorted(found, key=lambda finding: (len(finding["id"]), finding["id"], finding["kind"]))


def _shows(record: Json, originals: Mapping[str, Json], own: str) -> str | None:
    """The original that a published file is a version of, if one alone is."""
    small = _picture(record["thumbnail"])
    alike = [
        path
        for path, other in originals.items()
        if path != own and other["thumbnail"] and same_photo(_picture(other["thumbnail"]), small)
    ]
    return alike[0] if len(alike) == 1 else None


def _picture(hexadecimal: str) -> np.ndarray:
    values = np.frombuffer(bytes.fromhex(hexadecimal), np.uint8)
    side = int(len(values) ** 0.5)
    return values.reshape(side, side)
