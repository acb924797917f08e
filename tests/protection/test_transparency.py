"""A transparent photo is seen on some background: its proof holds in its own colors, on white and on black."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.anonymity.conditions import rank_of
from deid.protection.enrollment import find_faces
from deid.protection.pipeline import protect
from deid.protection.protector import Protector, load_protector
from deid.recognizers.gallery import Enrollment
from deid.types import Options

OPTIONS = Options(profile="paper", seed=3)


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(OPTIONS)


def on(color: str, path: Path) -> np.ndarray:
    picture = Image.open(path).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", picture.size, color), picture).convert("RGB"))


@pytest.mark.parametrize("kind", ["half transparent", "cut out"])
def test_a_face_is_not_first_on_either_background(
    tmp_path: Path, astronaut: np.ndarray, protector: Protector, kind: str
) -> None:
    photo, output = tmp_path / "photo.png", tmp_path / "out.png"
    alpha = np.full((200, 200), 128 if kind == "half transparent" else 255, np.uint8)
    if kind == "cut out":
        y, x = np.mgrid[:200, :200]
        alpha[np.hypot(x - 95, y - 110) > 70] = 0
    picture = Image.fromarray(astronaut[:200, 130:330])
    picture.putalpha(Image.fromarray(alpha))
    picture.save(photo)
    result = protect(photo, output, OPTIONS, protector=protector)
    assert result.outcome == "protected", result.message
    assert result.faces[0].similarity_before == pytest.approx(1, abs=1e-4), "told of the photo's own colors"
    surrogate = protector.surrogates[0]
    for color in ("white", "black"):
        (clean,), (saved,) = (find_faces(on(color, path), surrogate, "cpu").faces for path in (photo, output))
        enrolled = Enrollment("who knew the photo on this background", clean.embedding)
        assert int(rank_of(surrogate.gallery.logits(saved.embedding[None], [enrolled]), 0)) > 1
    assert (np.asarray(Image.open(output).getchannel("A")) == alpha).all()


def test_a_face_in_the_transparency_alone_is_not_left_in_silence(
    tmp_path: Path, astronaut: np.ndarray, protector: Protector
) -> None:
    face = Image.fromarray(astronaut[:200, 130:330])
    picture, alpha = Image.new("RGB", (400, 200), (90, 90, 90)), Image.new("L", (400, 200), 255)
    picture.paste(face, (0, 0))
    alpha.paste(face.convert("L"), (200, 0))
    picture.putalpha(alpha)
    picture.save(tmp_path / "photo.png")
    result = protect(tmp_path / "photo.png", tmp_path / "out.png", OPTIONS, protector=protector)
    assert (result.outcome, result.output) == ("failed", None)
    assert "another face shows on white and on black: lay the photo on one color first" in result.message
