"""Audits with defenses: of two people's real photos by a real recognizer, and of what lessons hold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.cbook
import numpy as np
import pytest
import torch
from fakes import Looking, audited, people, save_faces
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

from deid.audit import questions
from deid.audit.defended import ask_defenses
from deid.audit.defended_counts import count_defended
from deid.audit.lessons import known_faces
from deid.audit.questions import Question, questions_to
from deid.audit.references import Persons, References
from deid.audit.report.folder import check_report
from deid.audit.report.schema import schema
from deid.audit.run import Audited, audit
from deid.audit.store import ORIGINALS, Store
from deid.commands import main as cli
from deid.defenses.contract import Classifier, Defended, Defense
from deid.errors import UsageError
from deid.faces.align import align_face
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.images.handlings import HANDLINGS
from deid.recognizers.recognizer import Recognizer, embed_aligned

Json = dict[str, Any]
NAMES = ("collins", "hopper")


def never(scores: Tensor) -> Tensor:
    """Without a column that says «adversarial»."""
    return F.pad(scores, (0, 1), value=-torch.inf)


def blur(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
    """A Gaussian filter of one pixel."""
    line = torch.exp(-(torch.arange(-3.0, 4) ** 2) / 2)
    kernel = torch.outer(line, line) / line.sum() ** 2

    def scores(faces: Tensor) -> Tensor:
        channels = faces.shape[1]
        return never(classifier.logits(F.conv2d(faces, kernel.expand(channels, 1, 7, 7), padding=3, groups=channels)))

    return Defended(scores)


class Nearest:
    """Answers with the class of the photo whose layers are the nearest; counts what it was taught and asked."""

    def __init__(self) -> None:
        self.taught: list[int] = []
        self.asked = 0

    def fit(self, classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
        self.taught.append(len(photos))
        with torch.no_grad():
            learned = torch.cat(classifier.layers(photos), 1)

        def scores(faces: Tensor) -> Tensor:
            self.asked += len(faces)
            distances = torch.cdist(torch.cat(classifier.layers(faces), 1), learned)
            classes = [distances[:, labels == label].amin(1) for label in range(int(labels.max()) + 1)]
            return never(-torch.stack(classes, 1))

        return Defended(scores)


def suspicious(classifier: Classifier, photos: Tensor, labels: Tensor, *, seed: int) -> Defended:
    """Takes every photo for an attack."""
    return Defended(lambda faces: F.pad(torch.zeros(len(faces), int(labels.max()) + 1), (0, 1), value=1.0))


@pytest.fixture
def nearest(monkeypatch: pytest.MonkeyPatch) -> Nearest:
    return stand_in(monkeypatch)


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Nearest:
    nearest = Nearest()
    defenses = {
        "blur": Defense("Gaussian filter", "", blur),
        "nearest": Defense("nearest photo", "", nearest.fit, photos=1),
        "two": Defense("nearest photo of two", "", nearest.fit, photos=2),
        "suspicious": Defense("alarm", "", suspicious, photos=1),
    }
    monkeypatch.setattr(questions, "DEFENSES", defenses)
    monkeypatch.setattr("deid.audit.defended.DEFENSES", defenses)
    return nearest


def save_photos(root: Path, astronaut: np.ndarray) -> None:
    """Two portraits, published with noise on them, and another version of each that is enrolled."""
    hopper = Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).resize((150, 176))
    portraits = {"collins": Image.fromarray(astronaut[40:200, 140:300]), "hopper": hopper}
    rng = np.random.default_rng(0)
    for name, portrait in portraits.items():
        for folder in ("in", "out", f"people/{name}"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        portrait.save(root / "in" / f"{name}.png")
        noisy = np.clip(np.asarray(portrait) + rng.normal(0, 4, (portrait.height, portrait.width, 3)), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(root / "out" / f"{name}.png")
        ImageOps.mirror(portrait).save(root / "people" / name / "mirrored.png")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    root = tmp_path_factory.mktemp("defended")
    save_photos(root, astronaut)
    return root


@pytest.fixture(scope="module")
def found(photos: Path) -> Iterator[tuple[Path, Audited, Nearest]]:
    """As a user calls it, with a report; and the same from Python."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"XDG_{name}_HOME", str(photos / name.lower()))
        nearest = stand_in(patch)
        kept: list[Audited] = []
        real = audit
        patch.setattr("deid.audit.run.audit", lambda *given, **named: kept.append(real(*given, **named)) or kept[0])
        asked = [part for name in ("blur", "nearest", "suspicious") for part in ("--defense", name)]
        folders = [str(photos / name) for name in ("in", "out")]
        options = ["--people", str(photos / "people"), "--against", "lightcnn9", "--report", str(photos / "report")]
        assert cli.run(["audit", *folders, *options, *asked]) in (6, 7)
        yield photos / "report", kept[0], nearest


def counts_of(document: Json, label: int = 0) -> Json:
    return document["sets"][label]["counts"]["recognizers"]["lightcnn9"]["defenses"]


def test_a_filter_is_asked_among_people_and_decoys_and_names_them(found: tuple[Path, Audited, Nearest]) -> None:
    of = counts_of(found[1].document)["blur"]["another photo"]
    named = {"success": 0, "failed": 2, "detected": 0}
    assert of == {
        "persons": 2, "left_out": 0, "identities": 1002, "learned": 2, "published": named, "clean": named,
        "undefended": named, "undefended_clean": named,
    }  # fmt: skip


def test_what_learns_from_photos_of_a_class_has_no_decoys(found: tuple[Path, Audited, Nearest]) -> None:
    of = counts_of(found[1].document)["nearest"]
    assert {knows: (asked["identities"], asked["learned"]) for knows, asked in of.items()} == {
        "this photo": (2, 4),
        "another photo": (2, 2),
    }
    assert sorted(found[2].taught) == [2, 4]
    assert of["this photo"]["clean"]["failed"] == 2  # nearest to themselves


def test_a_detected_attack_is_neither_a_success_nor_a_failure(found: tuple[Path, Audited, Nearest]) -> None:
    document = found[1].document
    figures = document["sets"][0]["figures"]["recognizers"]["lightcnn9"]["defenses"]["suspicious"]["this photo"]
    assert [figures["published"][name]["value"] for name in ("success", "failed", "detected")] == [0, 0, 1]
    assert figures["clean"]["detected"]["value"] == 1
    assert not figures["recovers"]


def test_that_people_are_recovered_is_the_first_answer(found: tuple[Path, Audited, Nearest]) -> None:
    told = found[1].document["sets"][0]["first_screen"][0]
    assert told["question"] == "Does the protection hold against recognizers that defend themselves?"
    assert told["answer"].startswith("No: an adversary who runs them would learn who is on 100.0\u00a0%")
    assert "blur before lightcnn9 (unknown)" in told["answer"]
    page = (found[0] / "shared" / "report.html").read_text()
    assert page.index(told["question"]) < page.index("first guess any more?")
    assert "Attack × defense: set A" in page


def test_the_report_is_valid_and_holds_when_checked(found: tuple[Path, Audited, Nearest]) -> None:
    from jsonschema import Draft202012Validator

    for part in ("shared", "private"):
        document = json.loads((found[0] / part / "report.json").read_text())
        assert not list(Draft202012Validator(schema()).iter_errors(document))
        assert counts_of(document) == counts_of(found[1].document)
    assert check_report(found[0], []).differences == ()
    text = (found[0] / "shared" / "report.json").read_text()
    assert not any(name in text for name in NAMES)


def test_what_was_said_of_each_face_is_the_operators(found: tuple[Path, Audited, Nearest]) -> None:
    said = [face.values["lightcnn9: suspicious, another photo known"] for face in found[1].faces]
    assert said == ["an attack"] * 2
    assert {face.values["lightcnn9: blur, this photo known"] for face in found[1].faces} == {"the person"}


class Small(nn.Module):
    """Of two layers; an embedding tells how bright the two halves of a face are."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.AvgPool2d(8)
        self.last = nn.AvgPool2d(2)

    def forward(self, faces: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(self.last(self.inner(faces)), (1, 2)).flatten(1) + 0.01


LANDMARKS = [[40.0, 40.0], [88.0, 40.0], [64.0, 64.0], [44.0, 88.0], [84.0, 88.0]]
LEFT, RIGHT = "l", "r"


@dataclass(frozen=True)
class World:
    """Photos of faces that are bright on the left or on the right, as measured; `ask` asks about all of them."""

    store: Store
    root: Path
    references: References
    recognizer: Recognizer
    asked: list[Question]

    def ask(self) -> None:
        ask_defenses(
            self.asked, self.recognizer, ("inner", "last"), self.references, ["A"], store=self.store,
            file_of=lambda place, path: self.root / place / path, seed=0, progress=lambda *_: None,
        )  # fmt: skip


def world_of(root: Path, persons: str, defense: str) -> World:
    """persons: a letter a photo, `LEFT` or `RIGHT`; all are published as they are, but the first of each mirrored."""
    recognizer = Recognizer("net", Small(), LIGHTCNN_TEMPLATE, "", {}, torch.zeros(0, 2))
    store, clean = Store(root / "store.sqlite"), {}
    for number, person in enumerate(persons):
        for place, side in ((ORIGINALS, person), ("A", mirrored(person) if person not in persons[:number] else person)):
            pixels = np.full((128, 128, 3), 20, np.uint8)
            pixels[:, slice(0, 64) if side == LEFT else slice(64, 128)] = 200
            path = f"{number}.png"
            (root / place).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(root / place / path)
            seen = embed_aligned(recognizer, align_face(pixels, np.array(LANDMARKS), LIGHTCNN_TEMPLATE)[None]).numpy()
            rows = np.repeat(seen, 1 if place == ORIGINALS else len(HANDLINGS), 0)
            record = {"sha256": f"{number:03}", "landmarks": [LANDMARKS]}
            store.put(place, path, "", record, [{"net": rows}])
            clean |= {(path, 0): seen[0]} if place == ORIGINALS else {}
    references = References(
        clean=np.stack([*clean.values()]), persons=tuple(persons), others=(), thresholds={}, thresholds_from="",
        row_of={key: row for row, key in enumerate(clean)}, galleries={},
    )  # fmt: skip
    known = known_faces(store, "net", Persons(list(persons), [], ""), references)
    return World(store, root, references, recognizer, questions_to("net", known, [defense], 0))


def mirrored(side: str) -> str:
    return RIGHT if side == LEFT else LEFT


def test_outcomes_of_known_faces_are_counted(nearest: Nearest, tmp_path: Path) -> None:
    world = world_of(tmp_path, "lrllr", "two")
    world.ask()
    published = world.store.embeddings("A", "net", len(HANDLINGS))
    counts, lines = count_defended(world.asked, world.references, published, "A", world.store)
    of = counts["two"]["this photo"]
    assert of["published"] == of["undefended"] == {"success": 2, "failed": 3, "detected": 0}
    assert of["clean"] == {"success": 0, "failed": 5, "detected": 0}
    assert lines["0.png", 0] == {"two, this photo known": "somebody else"}


def test_what_was_answered_is_not_asked_again(
    nearest: Nearest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deid.audit.defended.ASKED_AT_ONCE", 2)
    world = world_of(tmp_path, "lrllr", "two")
    keep, kept = world.store.put_answers, []

    def interrupted(question: str, answers: Any) -> None:
        if len(kept) == 2:
            raise KeyboardInterrupt
        kept.append(answers)
        keep(question, answers)

    monkeypatch.setattr(world.store, "put_answers", interrupted)
    with pytest.raises(KeyboardInterrupt):
        world.ask()
    assert len(world.store.answers(world.asked[0].id)) == 4
    monkeypatch.setattr(world.store, "put_answers", keep)
    asked = nearest.asked
    world.ask()
    assert nearest.asked == asked + 6
    world.ask()
    assert nearest.asked == asked + 6
    assert len(nearest.taught) == 2  # not again where nothing is open


def test_a_photo_measured_again_is_asked_again(nearest: Nearest, tmp_path: Path) -> None:
    world = world_of(tmp_path, "lrllr", "two")
    world.ask()
    ((*_, seen), *_) = world.store.embeddings("A", "net", len(HANDLINGS))
    world.store.put("A", "0.png", "", world.store.record("A", "0.png"), [{"net": seen}])
    asked = nearest.asked
    world.ask()
    assert nearest.asked == asked + 1


def test_an_unknown_defense_is_refused_with_the_list(nearest: Nearest, photos: Path, capsys: Any) -> None:
    folders = [str(photos / name) for name in ("in", "out")]
    assert cli.run(["audit", *folders, "--defense", "magic"]) == 2
    assert "no defense called magic: there are blur, nearest, two, suspicious" in capsys.readouterr().err


def test_a_gallery_without_enough_photos_is_refused_before_any_training(
    nearest: Nearest, looking: Looking, tmp_path: Path
) -> None:
    for name, photos in zip(("ann", "bob"), people(2, photos=2), strict=True):
        for folder in ("in", "out"):
            save_faces(tmp_path / folder / f"{name}.png", photos[0])
        for number in range(2 if name == "ann" else 1):
            save_faces(tmp_path / "people" / name / f"{number}.png", photos[number])
    with pytest.raises(UsageError, match=r"two needs 2 clean photos of each of two people.*: bob has 1$"):
        audited(tmp_path / "in", tmp_path / "out", people=tmp_path / "people", defenses=("two",))
    assert not nearest.taught
