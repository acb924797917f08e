"""Whole audits: of embeddings whose ranks are known, and of real photos in which failures were planted."""

import hashlib
import io
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit.journals import write_journal
from fakes import LOOK, K, Looking, at_rank, audited, counts_of, entry, gallery_of, people, save_faces, unit
from PIL import Image

from deid.anonymity.groups import draw_groups, seeded_rng
from deid.audit.report.document import shared_part
from deid.audit.run import Audited, AuditOptions, audit
from deid.errors import CheckpointError, UsageError
from deid.recognizers import checkpoints
from deid.recognizers.checkpoints import manifest

Json = dict[str, Any]


def made_with_paper(published: Path) -> None:
    """As if a run with this profile had written what is there."""
    write_journal(published, "net", files=sorted(published.iterdir()), profile="paper").close()


def save_set(root: Path, clean: np.ndarray, ranks: Sequence[int], start: int = 0) -> tuple[Path, Path]:
    """clean (n, D), a photo each, published at these ranks."""
    for i, (face, rank) in enumerate(zip(clean, ranks, strict=True), start):
        save_faces(root / "in" / f"{i:03d}.png", face)
        save_faces(root / "out" / f"{i:03d}.png", at_rank(face, rank))
    return root / "in", root / "out"


class TestSpread:
    def test_a_fair_set_of_two_hundred_people_is_met(self, looking: Looking, tmp_path: Path):
        ranks = draw_groups(200, K, seeded_rng(1))
        found = audited(*save_set(tmp_path, people(200)[:, 0], ranks))
        figures = gallery_of(found)
        pmf = {rank: share["value"] for rank, share in figures["pmf"].items()}
        assert pmf == {"1": 0} | dict.fromkeys("23456", 0.2)
        assert figures["effective_k"] == 5
        assert figures["this_set"] == {"condition_5": "met", "condition_6": "met"}
        assert (figures["process"]["condition_5"], figures["process"]["condition_6"]) == ("met", "met")
        assert figures["process"]["persons"] == 200
        assert found.document["verdict"] == "met"

    def test_an_unprotected_set_is_recognized(self, looking: Looking, tmp_path: Path):
        clean = people(30, photos=2).reshape(60, -1)
        found = audited(*save_set(tmp_path, clean, [1] * 60))
        figures = gallery_of(found)
        assert figures["handlings"]["as published"]["first"]["value"] == 1
        assert figures["cumulative_match"]["1"]["another_photo"]["value"] == 1
        assert counts_of(found)["linked"]["1e-2"] == {"far": "1e-2", "pairs": 30, "protected": 30, "clean": 30}
        assert figures["this_set"]["condition_5"] == figures["process"]["condition_5"] == "violated"
        assert found.document["sets"][0]["figures"]["recognizers"]["net"]["control"] == {"state": "passed", "known": 1}
        assert found.document["verdict"] == "violated"

    def test_one_person_always_at_rank_two_is_named(self, looking: Looking, tmp_path: Path):
        save_set(tmp_path, people(192)[:, 0], draw_groups(192, K, seeded_rng(2)))
        folders = save_set(tmp_path, people(1, photos=8, seed=5)[0], [2] * 8, start=192)
        made_with_paper(folders[1])
        found = audited(*folders)
        figures = gallery_of(found)
        assert figures["this_set"] == {"condition_5": "met", "condition_6": "violated"}
        assert figures["within_person"] == {
            "persons": 1, "uneven": 1, "smallest_p": pytest.approx(5 / 5**8), "verdict": "violated",
        }  # fmt: skip
        screen = json.dumps(found.document["sets"][0]["first_screen"])
        assert "too often at one rank: 1 of 1 persons with several photos" in screen
        assert found.document["verdict"] == "violated"

    def test_so_is_one_whom_the_others_make_up_for(self, looking: Looking, tmp_path: Path):
        # Rank 2 is left to the one person: over the set every rank holds a fifth.
        save_set(tmp_path, people(160)[:, 0], [3, 4, 5, 6] * 40)
        folders = save_set(tmp_path, people(4, photos=10, seed=5).reshape(40, -1), [2] * 40, start=160)
        assert gallery_of(audited(*folders))["within_person"] is None  # by unknown means nobody was to be spread so
        made_with_paper(folders[1])
        found = audited(*folders)
        figures = gallery_of(found)
        assert figures["this_set"] == {"condition_5": "met", "condition_6": "met"}
        assert figures["within_person"]["uneven"] == 4
        assert found.document["verdict"] == "violated"

    def test_where_faces_may_stand_anywhere_the_list_is_read_from_both_ends(self, looking: Looking, tmp_path: Path):
        # Of 21 places; one percent of so short a list is its last place alone.
        even = [rank for rank in range(2, 22) for _ in range(10)]
        folders = save_set(tmp_path / "even", people(200)[:, 0], even)
        write_journal(folders[1], "net", files=sorted(folders[1].iterdir()), profile="stranger").close()
        found = audited(*folders)
        assert found.document["sets"][0]["counts"]["spread_over"] == "whole list"
        figures = gallery_of(found)
        assert figures["from_the_end"]["1"]["main"]["value"] == 0.05
        assert figures["from_the_end"]["10"]["main"]["value"] == figures["cumulative_match"]["50"]["main"]["value"] / 2
        assert not figures["whole_list"]["ends"]["last"]["more_than_its_share"]
        assert figures["whole_list"]["even"]["process"]["verdict"] == "not refuted"
        assert figures["within_person"] is None
        assert found.document["verdict"] == "met"
        told = found.document["sets"][0]["first_screen"][4]
        assert told["answer"].startswith("Nothing says otherwise in 1 gallery")
        # Whoever takes the last of the list finds a fifth of them.
        found = audited(*save_set(tmp_path / "last", people(200)[:, 0], [21] * 40 + even[:160]))
        figures = gallery_of(found)
        assert figures["effective_k"] == 5
        assert figures["whole_list"]["ends"]["last"]["more_than_its_share"]
        assert figures["whole_list"]["even"]["this_set"]["verdict"] == "uneven"
        told = found.document["sets"][0]["first_screen"][4]
        assert "the last percent of the list holds more than its share in 1" in told["answer"]
        assert "the last percent of the list holds 20.0\u00a0% (14.7–26.2, N\u00a0=\u00a0200)" in told["evidence"][0]
        assert "the last percent holds more than its share" in told["evidence"][0]
        told = found.document["sets"][0]["first_screen"][5]
        # Ranks 2 to 6 and 16 to 21, ten each but the last.
        assert "25.0\u00a0% (19.2–31.6, N\u00a0=\u00a0200) of the faces are among the first 6" in told["evidence"][0]
        assert "30.0\u00a0% (23.7–36.9, N\u00a0=\u00a0200) among the last 6" in told["evidence"][0]
        assert told["evidence"][0].endswith("by chance it would be 28.6\u00a0%")

    def test_the_person_is_no_stranger_in_a_gallery_of_real_people(self, looking: Looking, tmp_path: Path):
        clean = people(6, photos=2, seed=3)
        folders = save_set(tmp_path, clean[:, 0], [1] * 6)
        for i, (_, another) in enumerate(clean[:3]):
            save_faces(tmp_path / "gallery" / f"{i}.png", another)
        found = audited(*folders, gallery=tmp_path / "gallery")
        ranks = counts_of(found)["galleries"]["real people"]["handlings"]["as published"]["ranks"]
        assert ranks == {"1": 6}
        # Three quarters on the way to their own other photo, they would be outranked by themselves.
        for i, (own, another) in enumerate(clean):
            save_faces(tmp_path / "out" / f"{i:03d}.png", unit(own + 3 * another))
        found = audited(*folders, gallery=tmp_path / "gallery")
        assert counts_of(found)["galleries"]["real people"]["handlings"]["as published"]["ranks"] == {"1": 6}

    def test_several_sets_are_compared(self, looking: Looking, tmp_path: Path):
        clean = people(40)[:, 0]
        originals, first = save_set(tmp_path, clean, [2, 3, 4, 5, 6] * 8)
        for i, face in enumerate(clean):
            save_faces(tmp_path / "blurred" / f"{i:03d}.png", face)
        found = audited(originals, first, tmp_path / "blurred")
        assert [part["label"] for part in found.document["sets"]] == ["A", "B"]
        shares = [gallery_of(found, label=at)["handlings"]["as published"]["first"]["value"] for at in (0, 1)]
        assert shares == [0, 1]
        assert len(found.paths) == len(found.faces) == 80


class TestFurtherLooks:
    @pytest.fixture
    def found(self, looking: Looking, tmp_path: Path) -> Audited:
        """Two hundred people spread as asked; three of them are first where another program finds them."""
        clean, ranks = people(200)[:, 0], draw_groups(200, K, seeded_rng(1))
        for i, (face, rank) in enumerate(zip(clean, ranks, strict=True)):
            save_faces(tmp_path / "in" / f"{i:03d}.png", face)
            elsewhere = face if i in (7, 11, 12) else at_rank(face, 3)
            seen = {"": at_rank(face, rank), f"{LOOK}MTCNN": at_rank(face, 4), f"{LOOK}CenterFace": elsewhere}
            save_faces(tmp_path / "out" / f"{i:03d}.png", seen)
        return audited(tmp_path / "in", tmp_path / "out")

    def test_this_set_does_not_meet_condition_5_and_the_pmf_is_the_own_looks(self, found: Audited):
        figures = gallery_of(found)
        assert figures["this_set"] == {"condition_5": "violated", "condition_6": "met"}
        assert figures["process"]["condition_5"] == "met"
        assert figures["pmf"]["1"]["value"] == 0
        assert figures["any_look"]["value"] == 3 / 200
        counts = found.document["sets"][0]["counts"]
        assert counts["first_elsewhere"] == {"faces": 3, "photos": 3}
        assert counts["further_looks"] == 400
        assert found.document["verdict"] == "violated"

    def test_the_first_screen_does_not_say_yes(self, found: Audited):
        first, second, *_ = found.document["sets"][0]["first_screen"]
        assert first["answer"].startswith("Only where this audit's own search finds the faces. Elsewhere net")
        assert second["answer"].startswith("No: net (1 of 1 asked), up to 1.5\u00a0% of the faces. 3 faces in 3 photos")
        assert "N\u00a0=\u00a0200" in second["evidence"][0]

    def test_the_private_part_names_the_photos_and_the_shared_one_counts_them(self, found: Audited):
        named = found.document["sets"][0]["counts"]["findings"]
        assert [finding["kind"] for finding in named] == ["first elsewhere"] * 3
        names = {found.paths[finding["id"]].stem for finding in named}
        assert names == {"007", "011", "012"}
        assert named[0]["detail"] == "face 1 is first for net as found by: CenterFace (among shipped decoys)"
        shared = shared_part(found.document)["sets"][0]
        assert shared["counts"]["findings"] == []
        assert shared["counts"]["first_elsewhere"] == {"faces": 3, "photos": 3}
        assert shared["first_screen"][:2] == found.document["sets"][0]["first_screen"][:2]
        assert shared_part(found.document)["verdict"] == "violated"


class TestRecognizers:
    @pytest.fixture
    def against_net(self, tmp_path: Path) -> tuple[Path, Path]:
        """Forty photos that deceive `net` alone."""
        for i, (clean,) in enumerate(people(40)):
            save_faces(tmp_path / "in" / f"{i}.png", clean)
            moved = at_rank(clean, 2 + i % 5)
            save_faces(tmp_path / "out" / f"{i}.png", {"net": moved, "pupil": clean, "other": clean})
        return tmp_path / "in", tmp_path / "out"

    def test_protection_against_one_alone_is_found_by_the_related_one(
        self, looking: Looking, against_net: tuple[Path, Path]
    ):
        write_journal(against_net[1], "net", files=list(against_net[1].iterdir())).close()
        found = audited(*against_net, against=())
        classes = {name: recognizer["class"] for name, recognizer in found.document["recognizers"].items()}
        assert classes == {"net": "surrogate", "pupil": "related", "other": "independent"}
        conditions = {name: gallery_of(found, name)["this_set"]["condition_5"] for name in classes}
        assert conditions == {"net": "met", "pupil": "violated", "other": "violated"}
        assert found.document["verdict"] == "violated"
        screen = found.document["sets"][0]["first_screen"][0]
        assert screen["answer"].startswith("No: pupil, other (2 of 3 asked), up to 100.0\u00a0%")
        assert [line.split(" of ")[0].split(" (8")[0] for line in screen["evidence"]] == [
            "pupil (related) puts 100.0\u00a0% (91.2–100.0, N\u00a0=\u00a040)",
            "other (independent) puts 100.0\u00a0% (91.2–100.0, N\u00a0=\u00a040)",
            "net (surrogate) puts 0.0\u00a0% (0.0–8.8, N\u00a0=\u00a040)",
        ]

    def test_without_a_journal_every_class_is_unknown(self, looking: Looking, against_net: tuple[Path, Path]):
        found = audited(*against_net, against=())
        assert {recognizer["class"] for recognizer in found.document["recognizers"].values()} == {"unknown"}
        assert "treat every recognizer as possibly attacked" in json.dumps(found.document["sets"][0]["first_screen"])

    def test_a_surrogate_that_is_gone_leaves_every_class_unknown(
        self, looking: Looking, against_net: tuple[Path, Path]
    ):
        write_journal(against_net[1], "gone").close()
        found = audited(*against_net, against=())
        assert {recognizer["class"] for recognizer in found.document["recognizers"].values()} == {"unknown"}

    def test_no_independent_recognizer_is_said_on_the_first_screen(
        self, looking: Looking, against_net: tuple[Path, Path]
    ):
        write_journal(against_net[1], "net").close()
        screen = audited(*against_net, against=("net", "pupil")).document["sets"][0]["first_screen"]
        assert any(line["answer"].startswith("No. The recognizers asked were attacked") for line in screen)

    def test_a_recognizer_that_does_not_know_these_people_proves_nothing(self, looking: Looking, tmp_path: Path):
        looking.entries = {"blind": entry("blind")}
        rng = np.random.default_rng(0)
        for i in range(60):
            seen = at_rank(people(1, seed=int(rng.integers(10**9)))[0, 0], 1)
            save_faces(tmp_path / "in" / f"{i}.png", {"blind": seen})
            save_faces(tmp_path / "out" / f"{i}.png", {"blind": at_rank(seen, 2 + i % 5)})
            save_faces(tmp_path / "people" / f"person {i // 2}" / f"{i}.png", {"blind": seen})
        found = audited(tmp_path / "in", tmp_path / "out", against=(), people=tmp_path / "people")
        assert found.document["sets"][0]["figures"]["recognizers"]["blind"]["control"]["state"] == "failed"
        assert found.document["verdict"] != "met"
        screen = found.document["sets"][0]["first_screen"][0]
        assert screen["answer"].startswith("It is not known")
        assert "this proves nothing" in screen["evidence"][0]

    def test_the_level_is_the_runs_own_unless_another_is_asked_for(
        self, looking: Looking, against_net: tuple[Path, Path]
    ):
        write_journal(against_net[1], "net", k_level=3).close()
        for asked, expected in ((None, 3), (4, 4)):
            found = audit(against_net[0], [against_net[1]], AuditOptions(k_level=asked, against=("net",)))
            assert found.document["configuration"]["k_level"] == expected

    def test_a_run_still_writing_is_waited_for(self, looking: Looking, against_net: tuple[Path, Path]):
        journal = write_journal(against_net[1], "net")
        with pytest.raises(UsageError, match="still writing"):
            audited(*against_net)
        journal.close()


class TestNames:
    @pytest.mark.parametrize("seed", range(4))
    def test_renamed_and_shuffled_photos_count_the_same(self, looking: Looking, tmp_path: Path, seed: int):
        rng = random.Random(seed)
        clean = people(20, photos=3, seed=seed).reshape(60, -1)
        originals, published = save_set(tmp_path, clean, [rng.choice([1, 2, 3, 4, 5, 6, 9]) for _ in clean])
        expected = audited(originals, published, seed=seed).document["sets"][0]
        names = [f"{rng.choice(['', 'a/', 'b/c/'])}{number}.png" for number in rng.sample(range(1000), 60)]
        for old, new in zip(sorted(path.name for path in originals.iterdir()), names, strict=True):
            for folder in (originals, published):
                target = tmp_path / "renamed" / folder.name / new
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / old, target)
        found = audited(tmp_path / "renamed" / "in", tmp_path / "renamed" / "out", seed=seed).document["sets"][0]
        for part in (found, expected):  # a pair's hash is of its name, too
            part["files"] = [{"id": file["id"], "sha256": file["sha256"]} for file in part["files"]]
        assert found == expected  # ids too: they follow the files' hashes

    def test_two_halves_have_the_ranks_of_the_whole(self, looking: Looking, tmp_path: Path):
        clean, ranks = people(60)[:, 0], [1, 2, 3, 4, 5, 6] * 10
        whole = counts_of(audited(*save_set(tmp_path / "whole", clean, ranks)))
        halves = [
            counts_of(audited(*save_set(tmp_path / str(part), clean[part::2], ranks[part::2]))) for part in (0, 1)
        ]

        def tally(counts: Json) -> Json:
            return counts["galleries"]["shipped decoys"]["handlings"]["as published"]["ranks"]

        assert {rank: sum(tally(half).get(rank, 0) for half in halves) for rank in "123456"} == tally(whole)
        assert tally(whole) == dict.fromkeys("123456", 10)


class TestUsage:
    @pytest.mark.parametrize(
        ("published", "options", "message"),
        [
            (["missing"], {}, "is not a folder"),
            (["out", "out/../out"], {}, "named twice"),
            (["out"], {"k_level": 0}, "at least 1"),
            (["out"], {"people": Path("missing")}, "is not a folder"),
            (["out"], {"against": ("nobody",)}, "no recognizer called nobody"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, tmp_path: Path, published: list[str], options: dict[str, Any], message: str
    ):
        save_set(tmp_path, people(1)[:, 0], [2])
        with pytest.raises(UsageError, match=message):
            audit(tmp_path / "in", [tmp_path / name for name in published], AuditOptions(**options))

    @pytest.mark.parametrize("file", ["lightcnn9.safetensors", "lightcnn9-decoys.safetensors"])
    def test_weights_changed_by_one_bit_are_not_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str):
        shipped = manifest()["lightcnn9"].path.parent
        shutil.copytree(shipped, tmp_path / "weights", ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(checkpoints, "shipped_folder", lambda: tmp_path / "weights")
        data = bytearray((tmp_path / "weights" / file).read_bytes())
        data[-1] ^= 1
        (tmp_path / "weights" / file).write_bytes(data)
        with pytest.raises(CheckpointError, match=file):
            audit(*_one(tmp_path), AuditOptions(against=("lightcnn9",)))


def _one(root: Path) -> tuple[Path, list[Path]]:
    originals, published = save_set(root, people(1)[:, 0], [2])
    return originals, [published]


@dataclass(frozen=True)
class Planted:
    """A real audit. ids: name of an original or an extra file, without suffix → its id."""

    found: Audited
    ids: dict[str, str]

    def kinds(self, name: str) -> list[str]:
        findings = self.found.document["sets"][0]["counts"]["findings"]
        return [finding["kind"] for finding in findings if finding["id"] == self.ids[name]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Planted:
    """Ten photos, published with noise on them as a run might have, and then interfered with."""
    root = tmp_path_factory.mktemp("planted")
    originals, published = root / "in", root / "out"
    people = [folder for folder in sorted((shared_data / "lfw").iterdir()) if folder.is_dir()][7::450]
    portraits = iter([min(folder.glob("*.jpg")) for folder in people])
    originals.mkdir()
    published.mkdir()
    for name in ("asitis", "unchanged", "someoneelse", "swapped1", "swapped2", "truncated", "missing", "recompressed"):
        shutil.copyfile(next(portraits), originals / f"{name}.jpg")
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    Image.fromarray(texture).resize((120, 120)).save(originals / "faceless.jpg", quality=95)
    for path in originals.iterdir():
        pixels = np.asarray(Image.open(path), np.float64)
        noisy = np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(published / path.name, quality=95, subsampling=0)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"XDG_{name}_HOME", str(root / name.lower()))
        attacked = manifest()["lightcnn9"]
        write_journal(published, attacked.name, files=sorted(published.iterdir()), weights=attacked.sha256).close()
        shutil.copyfile(originals / "unchanged.jpg", published / "unchanged.jpg")
        shutil.copyfile(next(portraits), published / "someoneelse.jpg")
        _swap(published / "swapped1.jpg", published / "swapped2.jpg")
        whole = (published / "truncated.jpg").read_bytes()
        (published / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
        (published / "missing.jpg").unlink()
        with io.BytesIO((published / "recompressed.jpg").read_bytes()) as file:
            Image.open(file).save(published / "recompressed.jpg", quality=50)
        shutil.copyfile(next(portraits), published / "extra.jpg")
        shutil.copyfile(originals / "asitis.jpg", published / "left.jpg")
        found = audit(originals, [published], AuditOptions())
    ids = {path.stem: photo for photo, path in found.paths.items()}
    findings = found.document["sets"][0]["counts"]["findings"]
    missing = {finding["id"] for finding in findings if finding["kind"] == "missing"}
    assert len(missing) == 1
    return Planted(found, ids | {"missing": missing.pop()})


def _swap(a: Path, b: Path) -> None:
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


@pytest.mark.shared_data
class TestPlantedFailures:
    @pytest.mark.parametrize(
        ("name", "kinds"),
        [
            ("asitis", []),
            ("unchanged", ["changed since", "unchanged"]),
            ("someoneelse", ["changed since", "not a version", "possible face"]),
            ("swapped1", ["changed since", "swapped"]),
            ("swapped2", ["changed since", "swapped"]),
            ("truncated", ["changed since", "unreadable"]),
            ("missing", ["missing"]),
            ("recompressed", ["changed since", "recompressed"]),
            ("extra", ["extra"]),
            ("left", ["original published"]),
            ("faceless", ["faceless original"]),
        ],
    )
    def test_each_is_named_and_nothing_else_is(self, planted: Planted, name: str, kinds: list[str]):
        assert planted.kinds(name) == kinds

    def test_swapped_photos_name_each_other(self, planted: Planted):
        findings = planted.found.document["sets"][0]["counts"]["findings"]
        details = {finding["id"]: finding["detail"] for finding in findings if finding["kind"] == "swapped"}
        assert planted.ids["swapped2"] in details[planted.ids["swapped1"]]
        assert planted.ids["swapped1"] in details[planted.ids["swapped2"]]

    def test_the_first_screen_counts_them(self, planted: Planted):
        screen = planted.found.document["sets"][0]["first_screen"]
        (told,) = [line for line in screen if line["question"] == "Is every photo there, and what it should be?"]
        assert told["evidence"][0].startswith("3 of 9 originals were audited")
        kinds = ("6 changed since", "1 missing", "1 not a version", "1 original published", "2 swapped", "1 unchanged")
        others = ("1 unreadable", "1 extra", "1 faceless original", "1 recompressed")
        assert told["answer"] == f"No: {', '.join((*kinds, *others))}."

    def test_only_versions_of_their_originals_are_recognized(self, planted: Planted):
        counts = planted.found.document["sets"][0]["counts"]
        assert counts["photos"] == {"originals": 9, "published": 10, "audited": 3}
        audited_names = {face.original.stem for face in planted.found.faces}
        assert audited_names == {"asitis", "unchanged", "recompressed"}

    def test_the_recognizers_know_the_unchanged_photo(self, planted: Planted):
        (line,) = [face for face in planted.found.faces if face.original.stem == "unchanged"]
        for name in ("lightcnn9", "dlib-resnet", "mobilenet-vggface2", "facenet-casia"):
            assert line.values[f"{name}: similarity"] == pytest.approx(1, abs=1e-4)
            assert line.values[f"{name}: rank, shipped decoys"] == line.values[f"{name}: rank, fresh decoys"] == 1
        assert line.values["ssim"] == pytest.approx(1, abs=1e-4)
        assert line.values["psnr"] == 99

    def test_the_class_is_told_by_the_journal_and_the_manifest(self, planted: Planted):
        classes = {name: recognizer["class"] for name, recognizer in planted.found.document["recognizers"].items()}
        assert classes == {
            "lightcnn9": "surrogate", "dlib-resnet": "related",
            "mobilenet-vggface2": "related", "facenet-casia": "independent", "mobilefacenet-arcface": "independent",
        }  # fmt: skip

    def test_the_verdict_is_violated(self, planted: Planted):
        assert planted.found.document["verdict"] == "violated"

    def test_every_published_file_is_in_the_document_with_its_hash(self, planted: Planted):
        files = {file["id"]: file["sha256"] for file in planted.found.document["sets"][0]["files"]}
        assert {
            photo: hashlib.sha256(path.read_bytes()).hexdigest() for photo, path in planted.found.paths.items()
        } == files
        assert len(files) == 10
