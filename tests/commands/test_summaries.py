"""The sentence that no summary may leave out, for one face, several, failed and mixed ones, by each profile."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from deid.commands.summaries import limits
from deid.types import FaceResult, Opinion, PhotoResult

FACE = FaceResult((0, 0, 1, 1), "itself", "protected", 4, True, 1, 4)
FAR = replace(FACE, rank_after=800, exact=False)
FAILED = replace(FACE, outcome="failed", rank_after=1, exact=False)
BLURRED = replace(FACE, k=None, rank_after=300, fallback="blur")
LEFT = FaceResult((0, 0, 1, 1), "itself", "skipped")
AMONG = "the true identity is still among the first 6 candidates, by design"
BEYOND = "the true identity is beyond the first 6 candidates"
DRAWN = "where net is to put the true identity is drawn over its whole list"
AGAINST = "is against net, other recognizers may still match."


def photo(*faces: FaceResult, profile: str = "paper", **more: Any) -> PhotoResult:
    outcome = "failed" if any(face.outcome == "failed" for face in faces) else "protected"
    record: dict[str, Any] = {
        "input": "in.png", "output": "out.png", "outcome": outcome, "method": "k-a3", "k_level": 5,
        "weights": {"net": "0"},
    }  # fmt: skip
    return PhotoResult(**(record | more), profile=profile, faces=faces)


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@pytest.mark.parametrize(
    ("profile", "faces", "said"),
    [
        ("paper", [FACE], f"{capital(AMONG)}; protection {AGAINST}"),
        ("paper", [FACE, FACE, LEFT], f"{capital(AMONG)}; protection {AGAINST}"),
        ("paper", [FAR], f"{capital(BEYOND)}; protection {AGAINST}"),
        ("paper", [FACE, FAR, FAR], f"Of 1 of 3 faces {AMONG}; of 2 {BEYOND}; protection {AGAINST}"),
        ("stranger", [FACE], f"{capital(DRAWN)}; protection {AGAINST}"),
        ("stranger", [FACE, FAR], f"{capital(DRAWN)}; protection {AGAINST}"),
        ("stranger", [FAR, BLURRED],
         f"Of 1 of 2 faces {DRAWN}; of 1 ranks are not controlled by blur; protection {AGAINST}"),
        ("stranger", [BLURRED], f"Ranks are not controlled by blur; protection {AGAINST}"),
        ("paper", [FAILED], "No face is protected: recognizers may still match."),
        ("stranger", [FAILED, FAILED], "No face is protected: recognizers may still match."),
        ("paper", [FACE, FAILED],
         f"Of 1 of 2 faces it is not protected; of 1 {AMONG}; protection of the others {AGAINST}"),
        ("stranger", [FAILED, FAR],
         f"Of 1 of 2 faces it is not protected; of 1 {DRAWN}; protection of the others {AGAINST}"),
        ("paper", [LEFT], None),
    ],
)  # fmt: skip
def test_it_is_right_for_every_face(profile: str, faces: Sequence[FaceResult], said: str | None) -> None:
    assert limits([photo(*faces, profile=profile)]) == ([said] if said else [])
    # The same faces in photos of their own.
    assert limits([photo(face, profile=profile) for face in faces]) == ([said] if said else [])


@pytest.mark.parametrize("profile", ["paper", "stranger"])
def test_nothing_is_said_to_be_by_design_of_what_failed(profile: str) -> None:
    """Written all the same, with rank 1 → 1; or not written at all."""
    (told,) = limits([photo(FAILED, profile=profile)])
    assert "by design" not in told
    assert "protection is against" not in told
    assert limits([photo(FAILED, profile=profile, output=None)]) == []


def test_what_a_match_is_is_said_where_somebody_was_asked() -> None:
    asked = replace(FAILED, recognizers=(Opinion("net", "surrogate", 1, 1, True),))
    assert limits([photo(asked)])[0].endswith("To match: compared one to one with the clean photo, at FAR 1e-2.")


def test_a_method_that_controls_no_rank_is_named() -> None:
    blurred = replace(FACE, k=None)
    assert limits([photo(blurred, method="pixelate", profile="stranger")]) == [
        f"Ranks are not controlled by pixelate; protection {AGAINST}"
    ]
