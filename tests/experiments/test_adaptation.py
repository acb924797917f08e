import json
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deid.commands import main as cli
from deid.defenses.filters import FILTERS
from deid.defenses.fine_tuning import FROZEN
from deid.errors import UsageError
from deid.experiments.adaptation import looks as adaptation_looks
from deid.experiments.adaptation import photos as adaptation_photos
from deid.experiments.adaptation import reproduce as adaptation
from deid.experiments.adaptation import training as adaptation_training
from deid.experiments.adaptation.people import held_out_photos, training_photos
from deid.experiments.adaptation.photos import ProtectedFace
from deid.experiments.adaptation.table import as_table, recovered
from deid.experiments.adaptation.training import Course, fine_tuned, trained_denoiser
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.recognizer import Recognizer
from deid.training.augment import aligned_view
from deid.training.data import cut, held_out_people


@pytest.fixture(scope="module")
def folder_of_people(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """22 people, most without photos: two held out with two photos, one with one; two to learn from."""
    folder = tmp_path_factory.mktemp("people")
    for person in range(22):
        (folder / f"p{person:02d}").mkdir()
    sources = {"p00": ("Aaron_Peirsol", 2), "p10": ("Abdullah_Gul", 2), "p20": ("AJ_Cook", 1),
               "p01": ("AJ_Lamas", 1), "p02": ("Aaron_Guiel", 1)}  # fmt: skip
    for name, (source, count) in sources.items():
        for photo in sorted((shared_data / "lfw" / source).glob("*.jpg"))[:count]:
            shutil.copy(photo, folder / name / f"{photo.stem[-4:]}.jpg")
    return folder


@pytest.mark.shared_data
def test_the_command_asks_everyone_and_goes_on_where_it_was(
    folder_of_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adaptation, "manifest", lambda: {name: manifest()[name] for name in FROZEN})
    monkeypatch.setitem(PROFILES, "paper", replace(PROFILES["paper"], steps=(4,)))  # asked about, protected or not
    monkeypatch.setattr(adaptation, "DENOISER", Course(2, 2, 1e-3))
    monkeypatch.setattr(adaptation, "FINE_TUNING", Course(2, 2, 1e-3))
    out = tmp_path / "out"
    command = ["reproduce", "adaptation", str(folder_of_people), "--out", str(out), "--profile", "paper"]
    command += ["--pairs", "2", "--count", "2"]
    assert cli.run(command) == 0
    first = capsys.readouterr().out
    document = json.loads((out / "adaptation-paper.json").read_text())
    assert first == (out / "adaptation-paper.md").read_text()
    assert (document["pairs"], document["people"], document["enrolled"]) == (2, 2, 3)
    assert document["classes"]["lightcnn9"] == "surrogate"
    plain, *filtered, denoised, tuned = document["rows"]
    assert len(filtered) == len(FILTERS)
    for row in (plain, *filtered, denoised, tuned):
        assert list(row["recognizers"]) == list(FROZEN)
    assert plain["recognizers"]["mobilefacenet-arcface"]["clean"]["first"]["value"] == 1
    assert plain["recognizers"]["mobilefacenet-arcface"]["same photo"]["matched"]["value"] == 1, "nobody attacked it"
    assert (out / "adaptation-paper.svg").read_bytes().startswith(b"<?xml")
    for kept in (out / "paper" / "pairs", out / "paper" / "asked"):
        assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    held_out = held_out_people(path.name for path in folder_of_people.iterdir())
    assert {path.name for path in (out / "paper" / "pairs").iterdir() if path.is_dir()} == {"p01", "p02"}
    assert {path.name for path in (out / "paper" / "asked").iterdir() if path.is_dir()} <= held_out

    def not_again(*_: object, **__: object) -> None:
        raise AssertionError("done twice")

    monkeypatch.setattr(adaptation_photos, "process_photo", not_again)
    monkeypatch.setattr(adaptation_training, "_run", not_again)
    monkeypatch.setattr(adaptation_looks, "embed_aligned", not_again)
    assert cli.run(command) == 0
    assert capsys.readouterr().out == first
    (out / "paper" / "pairs" / "settings.json").write_text("other")
    assert cli.run(command) == 2
    assert "protected with other settings" in capsys.readouterr().err


@pytest.mark.shared_data
def test_nobody_held_out_is_learned_from(shared_data: Path) -> None:
    people = shared_data / "lfw"
    held_out = held_out_people(path.name for path in people.iterdir() if path.is_dir())
    learned = [photo.parent.name for photo in training_photos(people)]
    assert len(learned) == len(set(learned)) > 4000
    assert not held_out & set(learned)
    asked = held_out_photos(people)
    assert {photo.parent.name for of_person in asked for photo in of_person} == held_out
    assert [len(of_person) for of_person in asked] == sorted((len(of_person) for of_person in asked), reverse=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile", "magic"], "no profile called magic"),
        (["--pairs", "1"], "pairs"),
        (["--count", "1"], "count"),
        ([], "no people to learn from"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["reproduce", "adaptation", str(tmp_path / "nobody"), "--out", str(tmp_path / "out"), *arguments]
    assert cli.run(command) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def planted(astronaut: np.ndarray, astronaut_landmarks: np.ndarray, patterns: list[np.ndarray]) -> list[ProtectedFace]:
    """Shades of one real face, each with its pattern (192, 192) of gray levels."""
    crop, landmarks = cut(astronaut, astronaut_landmarks)
    found = []
    for shade, pattern in enumerate(patterns):
        clean = (crop * (0.6 + 0.03 * shade)).astype(np.uint8)
        protected = (clean + pattern[:, :, None]).clip(0, 255).astype(np.uint8)
        found.append(ProtectedFace(f"p{shade}", True, protected, clean, landmarks))
    return found


class TinyNetwork(torch.nn.Module):
    """Sixteen numbers of a face: what is left of it at 4 × 4 pixels, weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.ones(16))

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(luma - luma.mean((1, 2, 3), keepdim=True), 32).flatten(1) * self.weights


@pytest.fixture(scope="module")
def tiny() -> Recognizer:
    return Recognizer("tiny", TinyNetwork().requires_grad_(False), LIGHTCNN_TEMPLATE, "0" * 64, {}, torch.zeros(0, 0))


def error(crops: torch.Tensor, face: ProtectedFace) -> float:
    return float((crops - as_crops(face.clean)).square().mean())


def as_crops(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def test_a_denoiser_takes_noise_off_a_face_that_it_has_not_seen(
    astronaut: np.ndarray,
    astronaut_landmarks: np.ndarray,
    tiny: Recognizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And a run that was interrupted ends where an uninterrupted one does, and is not done again."""
    stripes = np.repeat(12 * (-1.0) ** np.arange(192)[:, None], 192, axis=1)
    *seen, other = planted(astronaut, astronaut_landmarks, [stripes] * 5)
    monkeypatch.setattr(adaptation_training, "SAVE_EVERY", 4)
    course, lines = Course(8, 2, 2e-3), []
    network, sha256 = trained_denoiser(seen, [tiny], tmp_path / "whole", course, lines.append)
    with torch.no_grad():
        assert error(network(as_crops(other.protected)), other) < 0.5 * error(as_crops(other.protected), other)
    batch = adaptation_training._batch

    def interrupted(pairs: list[ProtectedFace], size: int, rng: np.random.Generator) -> adaptation_training.Batch:
        if (tmp_path / "halves" / f"denoiser-{len(seen)}.state").exists():
            raise KeyboardInterrupt
        return batch(pairs, size, rng)

    with monkeypatch.context() as patch:
        patch.setattr(adaptation_training, "_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained_denoiser(seen, [tiny], tmp_path / "halves", course, lines.append)
    assert trained_denoiser(seen, [tiny], tmp_path / "halves", course, lines.append)[1] == sha256
    assert [path.name for path in (tmp_path / "halves").iterdir()] == [f"denoiser-{len(seen)}.safetensors"]
    with pytest.raises(UsageError, match="another training"):
        trained_denoiser(seen, [tiny], tmp_path / "halves", Course(9, 2, 2e-3), lines.append)


def test_fine_tuning_brings_protected_faces_to_their_clean_places(
    astronaut: np.ndarray, astronaut_landmarks: np.ndarray, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).choice((-12, 12), (8, 192, 192))
    *faces, first, second = planted(astronaut, astronaut_landmarks, list(noise))
    recognizer = load_recognizer("mobilefacenet-arcface")
    tuned = fine_tuned(recognizer, faces, tmp_path, Course(3, 4, 1e-4), lambda line: None)
    assert tuned.sha256 != recognizer.sha256
    assert tuned.name == recognizer.name
    protected, clean = (
        aligned_view(torch.cat([as_crops(getattr(face, which)) for face in (first, second)]),
                     np.stack([face.landmarks for face in (first, second)]), recognizer.template)
        for which in ("protected", "clean")
    )  # fmt: skip
    with torch.no_grad():
        places = recognizer.embed(clean)
        before, after = (float((network.embed(protected) * places).sum(1).mean()) for network in (recognizer, tuned))
    assert after > before + 0.005


def test_shares_by_hand() -> None:
    """Two people asked, one more enrolled. The first is at 0.9 from the own photo, the second found as the third."""
    enrolled = np.eye(3, dtype=np.float32)
    queries = np.array([[0.9, 0.3, 0.3], [0.1, 0.5, 0.8]], np.float32)
    shares = adaptation_looks._shares(queries, enrolled[:2], enrolled[:2], enrolled[2:], 0.6)
    assert (shares["matched"]["value"], shares["first"]["value"]) == (0.5, 0.5)
    assert adaptation_looks._shares(queries, enrolled[:2], enrolled[:2], enrolled[2:], 0.4)["matched"]["value"] == 1


def document(protected: list[float]) -> dict[str, object]:
    def share(value: float) -> dict[str, float]:
        return {"value": value, "low": max(0, value - 0.1), "high": min(1, value + 0.1), "n": 100, "confidence": 0.95}

    def both(value: float) -> dict[str, object]:
        return {"matched": share(value), "first": share(value / 2)}

    rows = [
        {"title": title, "recognizers": {"r": {"threshold": 0.5, "protected": both(value), "clean": both(0.9),
                                               "same photo": both(value)}}}
        for title, value in zip(("plain", "JPEG 50", "denoiser"), protected, strict=True)
    ]  # fmt: skip
    return {"profile": "stranger", "pairs": 9, "people": 100, "verified": 98, "enrolled": 200,
            "classes": {"r": "surrogate"}, "rows": rows}  # fmt: skip


def test_where_identity_is_recovered_the_table_says_so() -> None:
    sentences = recovered(document([0.0, 0.05, 0.6]))
    assert sentences == [
        "**denoiser** recovers identities: r matches 60 % (50–70) instead of 0 % (0–10) (clean: 90 %);"
        " r finds first 30 % (20–40) instead of 0 % (0–10) (clean: 45 %).",
        "The most of all is matched by r, denoiser: 60 % (50–70).",
    ]
    table = as_table(document([0.0, 0.05, 0.6]))
    assert "- **denoiser** recovers" in table
    assert "| denoiser | 60 % (50–70), 90 % |" in table


def test_where_nothing_is_recovered_it_says_that() -> None:
    nothing, most = recovered(document([0.3, 0.35, 0.1]))
    assert nothing.startswith("No filter, denoiser or fine-tuning recovers more")
    assert most == "The most of all is matched by r, JPEG 50: 35 % (25–45)."
