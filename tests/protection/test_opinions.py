"""What each recognizer makes of the saved file: those attacked, and whoever else is on this machine."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deid.anonymity.conditions import rank_of
from deid.faces.detect import detect_again
from deid.images.photo import read_photo
from deid.protection import opinions, protector
from deid.protection.opinions import others_than, worst_first
from deid.protection.pipeline import process_photo, protect
from deid.protection.protector import Protector, load_protector
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.gallery import Enrollment, Gallery
from deid.recognizers.recognizer import embed_faces
from deid.types import FaceResult, Opinion, Options

OPTIONS = Options(profile="paper", seed=1, k_level=3)


@pytest.fixture(scope="module")
def paper() -> Protector:
    return load_protector(OPTIONS)


@pytest.fixture
def photo(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut[:300, 50:400]).save(path)
    return path


def test_the_worst_come_first() -> None:
    matching, first = Opinion("a", "related", 1, 40, True), Opinion("b", "independent", 1, 1, False)
    held, far = Opinion("c", "surrogate", 1, 2, False), Opinion("d", "surrogate", 1, 700, False)
    assert worst_first([far, held, matching, first]) == (first, matching, held, far)


def test_every_recognizer_on_this_machine_is_asked_and_says_what_it_sees_in_the_saved_file(
    photo: Path, paper: Protector, tmp_path: Path
) -> None:
    result = protect(photo, tmp_path / "out.png", OPTIONS, protector=paper)
    (face,) = result.faces
    by_name = {opinion.name: opinion for opinion in face.recognizers}
    assert set(by_name) == {name for name, entry in manifest().items() if entry.decoys_path and entry.path.is_file()}
    attacked = by_name["lightcnn9"]
    assert (attacked.kind, attacked.rank_before, attacked.rank_after, attacked.matches) == (
        "surrogate", face.rank_before, face.rank_after, face.matches_at_far_1e_2,
    )  # fmt: skip
    assert by_name["facenet-casia"].kind == "independent"
    assert by_name["dlib-resnet"].kind == "related", "it taught lightcnn9"
    before, after = read_photo(photo), read_photo(tmp_path / "out.png")
    (found,) = paper.find(before).faces
    (again,) = detect_again(after.pixels, [found.face])
    assert again is not None
    for name in ("facenet-casia", "dlib-resnet"):
        recognizer = load_recognizer(name)
        clean = embed_faces(recognizer, before.pixels, [found.face.landmarks])
        seen = embed_faces(recognizer, after.pixels, [again.landmarks])
        logits = Gallery(recognizer.decoys).logits(seen, [Enrollment("itself", clean[0])])
        assert by_name[name].rank_before == 1
        assert by_name[name].rank_after == int(rank_of(logits, 0))
        assert by_name[name].matches == (float(seen[0] @ clean[0]) >= recognizer.thresholds["1e-2"])


def answers(photo: Path, protector: Protector, *, ask_others: bool, ks: int = 3) -> FaceResult:
    processed = process_photo(photo, photo, protector, lambda found: [ks] * len(found), ask_others=ask_others)
    return processed.result.faces[0]


def test_a_folder_s_photo_asks_those_attacked_alone(photo: Path, paper: Protector) -> None:
    face = answers(photo, paper, ask_others=False)
    assert [opinion.name for opinion in face.recognizers] == ["lightcnn9"]


def test_nobody_else_is_asked_about_what_is_not_written(
    photo: Path, paper: Protector, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(name: str, device: str) -> object:
        asked.append(name)
        raise AssertionError

    blur = replace(paper, options=Options(method="blur", blur_size=1.0, profile="paper"), load=load)  # type: ignore[arg-type]
    face = answers(photo, blur, ask_others=True)
    assert face.outcome == "failed"
    assert asked == []
    assert [(opinion.name, opinion.kind) for opinion in face.recognizers] == [("lightcnn9", "independent")]


def test_what_is_written_all_the_same_is_asked_about(photo: Path, paper: Protector) -> None:
    options = Options(method="blur", blur_size=1.0, profile="paper", write_unverified=True)
    face = answers(photo, replace(paper, options=options), ask_others=True)
    assert face.outcome == "failed"
    assert len(face.recognizers) == len(others_than(paper)) + 1
    assert all(opinion.recognizes for opinion in face.recognizers), "a slight blur hides nobody"


def test_a_program_that_stays_loads_who_is_asked_by_its_own_means(
    photo: Path, paper: Protector, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(name: str, device: str) -> object:
        loaded.append(name)
        return load_recognizer(name, device)

    monkeypatch.setattr(protector, "load_recognizer", None)
    kept = load_protector(replace(OPTIONS, write_unverified=True, method="pixelate"), load=load)  # type: ignore[arg-type]
    answers(photo, kept, ask_others=True)
    assert loaded[0] == "lightcnn9"
    assert set(loaded[1:]) == {entry.name for entry in others_than(kept)}


def test_weights_without_a_gallery_are_not_asked(paper: Protector, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = manifest()
    bare = replace(entries["facenet-casia"], name="bare", sha256="1" * 64, details={"training_data": "unknown"})
    gone = replace(entries["facenet-casia"], name="gone", sha256="2" * 64, path=Path("/nowhere"))
    monkeypatch.setattr(opinions, "manifest", lambda: entries | {"bare": bare, "gone": gone})
    names = [entry.name for entry in others_than(paper)]
    assert "facenet-casia" in names
    assert not {"bare", "gone", "lightcnn9"} & set(names)
