"""Real photos in which a face is first, or found, at a further look alone."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deid.audit import measure, second_looks
from deid.audit.run import Audited, AuditOptions, audit
from deid.audit.second_looks import found_plainly, shining_through
from deid.faces.detect import Detected, detect, detect_faces
from deid.faces.face import Face
from deid.images.photo import Photo

Json = dict[str, Any]
GLASS = 128  # the one color of a face that shows only where something dark shines through it


def noisy(pixels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-3, 4, pixels.shape)
    return np.clip(pixels.astype(int) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Audited:
    """Three photos of one face.

    askew: the audit's own search places its landmarks upside down, two others as they are, and in the original it is
    not sure of another place; glass: half transparent, of
    one color but on black; sideways: turned by 90°.
    """
    root = tmp_path_factory.mktemp("second looks")
    originals = {"askew": astronaut[:400, :400], "glass": astronaut[:300, 50:350], "sideways": np.rot90(astronaut)}
    for name in ("in", "out"):
        (root / name).mkdir()
    for name, pixels in originals.items():
        Image.fromarray(np.ascontiguousarray(pixels)).save(root / "in" / f"{name}.png")
        if name != "glass":
            Image.fromarray(noisy(pixels)).save(root / "out" / f"{name}.png")
    (face,) = detect_faces(originals["glass"])
    x0, y0, x1, y1 = (round(edge) for edge in face.box)
    shown, alpha = originals["glass"].copy(), np.full(originals["glass"].shape[:2], 255, np.uint8)
    alpha[y0:y1, x0:x1] = originals["glass"][y0:y1, x0:x1].mean(2)
    shown[y0:y1, x0:x1] = GLASS
    Image.fromarray(np.dstack([shown, alpha])).save(root / "out" / "glass.png")

    def askew(pixels: np.ndarray, *, device: str) -> list[Face]:
        faces = detect_faces(pixels, device=device)
        if pixels.shape != originals["askew"].shape:
            return faces
        return [replace(face, landmarks=2 * face.landmarks.mean(0) - face.landmarks) for face in faces]

    def unsure(pixels: np.ndarray, *, device: str) -> Detected:
        seen = detect(pixels, device=device)
        maybe = (Face((0, 300, 40, 350), np.zeros((5, 2)), 0.3),)
        return replace(seen, possible=maybe if pixels.shape == originals["askew"].shape else ())

    looks_at = second_looks.looks_at

    def jittered(pixels: np.ndarray, faces: Sequence[Face], **named: Any) -> list[dict[str, np.ndarray]]:
        if pixels.shape != originals["askew"].shape:
            return looks_at(pixels, faces, **named)
        return [{"CenterFace": face.landmarks + 1} for face in faces]

    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"XDG_{name}_HOME", str(root / name.lower()))
        patch.setattr(measure, "detect", unsure)
        patch.setattr(measure, "detect_faces", askew)
        patch.setattr(second_looks, "looks_at", jittered)
        return audit(root / "in", [root / "out"], AuditOptions(against=("lightcnn9",)))


def named(found: Audited, kind: str) -> dict[str, str]:
    """Name of the photo → detail of a finding of this kind."""
    findings = found.document["sets"][0]["counts"]["findings"]
    return {found.paths[line["id"]].stem: line["detail"] for line in findings if line["kind"] == kind}


def rank(found: Audited, name: str) -> int:
    (line,) = [face for face in found.faces if face.original.stem == name]
    return int(line.values["lightcnn9: rank, shipped decoys"])


def test_a_face_first_at_another_look_alone_is_named(found: Audited) -> None:
    assert rank(found, "askew") > 1
    detail = named(found, "first elsewhere")["askew"]
    assert detail.startswith(
        "face 1 is first for lightcnn9 as found by: where it was in the original; CenterFace (among"
    )


def test_a_face_first_on_black_alone_is_named(found: Audited) -> None:
    assert rank(found, "glass") > 1
    detail = named(found, "first elsewhere")["glass"]
    assert "as found by: where this audit finds it, on black; where it was in the original, on black" in detail
    assert "on white" not in detail


def test_a_sideways_face_is_found_by_a_second_look_alone(found: Audited) -> None:
    assert set(named(found, "second look")) == {"sideways"}
    counts = found.document["sets"][0]["counts"]
    assert counts["second_look"] == {"faces": 1, "photos": 1}
    assert counts["faces"] == 3
    (told,) = [line for line in found.document["sets"][0]["first_screen"] if "every face" in line["question"]]
    assert told["evidence"][0].startswith("1 face in 1 photo, N = 3, found only by a second look")


def test_a_possible_face_of_an_original_is_counted_and_not_audited(found: Audited) -> None:
    assert set(named(found, "possible face")) == {"askew"}
    assert found.document["sets"][0]["counts"]["possible"] == {"faces": 1, "photos": 1}
    (told,) = [line for line in found.document["sets"][0]["first_screen"] if "every face" in line["question"]]
    assert told["answer"].startswith("No, not every one: 1 possible face in 1 photo of the originals")


def test_a_face_that_shows_on_black_alone_is_one_too_many(astronaut: np.ndarray) -> None:
    crop = astronaut[:300, 50:350]
    (face,) = detect_faces(crop)
    glass = Photo(np.full_like(crop, 255), crop.mean(2).astype(np.uint8))
    assert shining_through(glass, [], device="cpu") == 1
    assert shining_through(glass, [face], device="cpu") == 0
    assert shining_through(Photo(crop), [], device="cpu") == 0  # nothing shines through what is opaque


def test_a_usual_program_finds_an_upright_face_and_no_sideways_one(astronaut: np.ndarray) -> None:
    upright = detect(astronaut).faces
    assert found_plainly(astronaut, upright, device="cpu") == [True]
    sideways = np.ascontiguousarray(np.rot90(astronaut))
    assert found_plainly(sideways, detect(sideways).faces, device="cpu") == [False]
