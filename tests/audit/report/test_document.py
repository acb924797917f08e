"""What a check of a report finds: edits, other weights, other files; and signatures."""

import builtins
import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import Looking, at_rank, audited, people, save_faces, stand_in

from deid.audit.report import document
from deid.audit.report.document import assemble, differences, sealed, sha256_of, shared_part, signed, weights_elsewhere
from deid.audit.report.published_files import FileNow
from deid.errors import UsageError
from deid.recognizers import checkpoints
from deid.recognizers.checkpoints import manifest
from deid.types import finite

Json = dict[str, Any]
WEIGHTS = "lightcnn9"


def make_folders(root: Path) -> tuple[Path, Path]:
    """Forty people, evenly at the ranks 2..6, and a photo of nobody."""
    for i, (clean,) in enumerate(people(40)):
        save_faces(root / "in" / f"{i}.png", clean)
        save_faces(root / "out" / f"{i}.png", at_rank(clean, 2 + i % 5))
    save_faces(root / "in" / "nobody.png")
    save_faces(root / "out" / "nobody.png")
    return root / "in", root / "out"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return make_folders(tmp_path)


@pytest.fixture(scope="module")
def made_report(tmp_path_factory: pytest.TempPathFactory) -> Json:
    root = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(root / "state"))
        patch.setenv("XDG_DATA_HOME", str(root / "data"))
        stand_in(patch).entries = {WEIGHTS: manifest()[WEIGHTS]}
        return read_back(audited(*make_folders(root), against=()).document)


@pytest.fixture
def report(made_report: Json) -> Json:
    """As read back from a file; the recognizer's weights are those that ship."""
    return copy.deepcopy(made_report)


def read_back(report: Json) -> Json:
    return json.loads(json.dumps(finite(report)))


def published(report: Json) -> dict[str, FileNow]:
    """Where nobody told their ids."""
    return {
        f"{file['id']}.png": FileNow(file["sha256"], file["pair_sha256"])
        for part in report["sets"]
        for file in part["files"]
    }


def at(report: Json, *keys: Any) -> Any:
    for key in keys:
        report = report[key]
    return report


GALLERY = ("recognizers", WEIGHTS, "galleries", "shipped decoys")


class TestEdits:
    def test_an_untouched_report_differs_in_nothing(self, report: Json):
        assert differences(report, [published(report)]) == []
        assert differences(shared_part(report), None) == []
        assert differences(read_back(shared_part(report)), [published(report)]) == []

    @pytest.mark.parametrize("resealed", [False, True], ids=["edited", "and the digest recomputed"])
    @pytest.mark.parametrize(
        ("edit", "where"),
        [
            (
                lambda r: at(r, "sets", 0, "figures", *GALLERY, "pmf", "2").update(value=0.1),
                "sets[0].figures.recognizers.lightcnn9.galleries.shipped decoys.pmf.2.value: the report says 0.1",
            ),
            (
                lambda r: at(r, "sets", 0, "figures", *GALLERY, "process").update(condition_6="violated"),
                "process.condition_6",
            ),
            (
                lambda r: at(r, "sets", 0, "counts", *GALLERY, "handlings", "JPEG 75", "ranks").update({"2": 7}),
                "figures.recognizers.lightcnn9.galleries.shipped decoys.handlings.JPEG 75.n: the report says 40",
            ),
            (lambda r: at(r, "sets", 0, "counts")["findings"].pop(), "figures.findings.photos_with_findings"),
            (lambda r: r.update(verdict="violated"), "verdict: the report says \"violated\""),
            (lambda r: at(r, "sets", 0, "first_screen", 0).update(answer="Nobody."), "sets[0].first_screen[0].answer"),
            (lambda r: at(r, "sets", 0)["first_screen"].pop(), "sets[0].first_screen"),
            (lambda r: r["configuration"].update(seed=5), "configuration_sha256"),
            (lambda r: r["configuration"].update(k_level=2), "configuration_sha256"),
            (lambda r: r.pop("ranks_are_spread"), "ranks_are_spread"),
            (lambda r: r.update(addition="all is well"), "addition"),
            (lambda r: at(r, "sets", 0, "figures", "quality", "ssim").update(worst=None), "quality.ssim.worst"),
        ],
        ids=[
            "figure", "verdict of a figure", "count", "finding removed", "verdict", "sentence", "sentence removed",
            "configuration", "level", "text removed", "text added", "figure removed",
        ],
    )  # fmt: skip
    def test_an_edit_is_named(self, report: Json, edit: Callable[[Json], Any], where: str, resealed: bool):
        edit(report)
        lines = differences(sealed(report) if resealed else report, None)
        assert any(where in line for line in lines), lines
        assert any(line.startswith("digest") for line in lines) == (not resealed)

    def test_what_no_figure_depends_on_is_found_by_the_digest(self, report: Json):
        for edit in (
            lambda r: at(r, "sets", 0, "counts", *GALLERY).update(open_set_threshold=0.1),
            lambda r: r["made"].update(date="2020-01-01"),
            lambda r: at(r, "sets", 0, "files").pop(),
        ):
            edited = copy.deepcopy(report)
            edit(edited)
            assert differences(edited, None) == ["digest: the report was edited after it was made"]

    def test_a_report_of_another_format_and_one_without_its_counts_are_told(self, report: Json):
        assert differences(report | {"format": "other 2"}, None) == ["format: 'other 2' is not 'face-deid audit 5'"]
        assert "format" in differences({}, None)[0]
        del report["sets"][0]["counts"]["recognizers"][WEIGHTS]["galleries"]["shipped decoys"]["control"]
        assert differences(report, None)[0].startswith("the counts are not those of a report")
        impossible = read_back(shared_part(report | {"sets": []}))
        impossible["sets"] = "none"
        assert differences(impossible, None)[0].startswith("the counts are not those of a report")

    def test_the_last_digit_of_another_machine_is_no_difference(self, report: Json):
        pmf = at(report, "sets", 0, "figures", *GALLERY, "pmf", "2")
        pmf["low"] *= 1 + 1e-13
        assert differences(sealed(report), None) == []
        pmf["low"] *= 1 + 1e-6
        assert len(differences(sealed(report), None)) == 1


class TestFiles:
    def test_a_changed_a_missing_and_a_new_file_are_named(self, report: Json):
        there = published(report)
        gone, changed = list(there)[:2]
        del there[gone]
        there |= {changed: FileNow("f" * 64, "f" * 64), "new.png": FileNow("e" * 64, "e" * 64)}
        lines = differences(report, [there])
        assert len(lines) == 4
        ids = {gone.removesuffix(".png"), changed.removesuffix(".png")}
        assert {line.split(":")[0] for line in lines} == ids | {changed, "new.png"}

    def test_two_swapped_ones_are_named_where_their_ids_are_known(self, report: Json):
        there = {name.removesuffix(".png"): file for name, file in published(report).items()}
        assert differences(report, [there]) == []
        first, second = list(there)[:2]
        there[first], there[second] = there[second], there[first]
        lines = differences(report, [there])
        assert [line.split(":")[0] for line in lines] == [first, second]
        assert all("not the file that was audited" in line for line in lines)


class TestWeights:
    @pytest.fixture
    def weights(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report: Json) -> Path:
        """A copy of what ships."""
        shipped = manifest()[WEIGHTS].path.parent
        shutil.copytree(shipped, tmp_path / "weights", ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(checkpoints, "shipped_folder", lambda: tmp_path / "weights")
        return tmp_path / "weights"

    @pytest.mark.parametrize("file", ["lightcnn9.safetensors", "lightcnn9-decoys.safetensors"])
    def test_one_bit_is_found(self, report: Json, weights: Path, file: str):
        assert differences(report, None) == []
        data = bytearray((weights / file).read_bytes())
        data[len(data) // 2] ^= 1
        (weights / file).write_bytes(data)
        (line,) = differences(report, None)
        assert "weights of lightcnn9" in line
        assert file in line

    def test_weights_that_are_gone_or_others_are_told(self, report: Json, weights: Path):
        (weights / "lightcnn9.safetensors").unlink()
        assert "missing" in differences(report, None)[0]
        report["recognizers"][WEIGHTS]["sha256"] = "0" * 64
        assert any("made with others" in line for line in differences(report, None))


class TestSharedPart:
    def test_a_set_with_enough_faces_is_shared_whole(self, report: Json):
        assert shared_part(report) == report

    def test_under_five_times_k_faces_no_pmf_is_shared(self, looking: Looking, folders: tuple[Path, Path]):
        for folder in folders:
            for i in range(16, 40):
                (folder / f"{i}.png").unlink()
        whole = audited(*folders, against=("net",)).document
        part = read_back(shared_part(whole))
        assert whole["sets"][0]["counts"]["faces"] == 16
        text = json.dumps(part["sets"][0])
        for word in (
            "pmf", "ranks", "one_per_person", "within_person", "cumulative_match", "effective_k", "from_the_end",
            "places", "last_candidates", "whole_list", "tenths", "ends", "even",
        ):  # fmt: skip
            assert f'"{word}"' in json.dumps(whole["sets"][0])
            assert f'"{word}"' not in text
        counts = part["sets"][0]["counts"]["recognizers"]["net"]
        assert counts["galleries"]["shipped decoys"]["handlings"]["as published"] == {"first": 0, "n": 16}
        assert counts["one_to_one"] == whole["sets"][0]["counts"]["recognizers"]["net"]["one_to_one"]
        assert part["digest"] == sealed(part)["digest"] != whole["digest"]
        assert part["verdict"] == whole["verdict"] == "too few"

    def test_from_five_times_k_on_it_is(self, looking: Looking, folders: tuple[Path, Path]):
        for faces in (25, 24):
            for folder in folders:
                for i in range(faces, 40):
                    (folder / f"{i}.png").unlink(missing_ok=True)
            part = shared_part(audited(*folders, against=("net",)).document)
            gallery = part["sets"][0]["figures"]["recognizers"]["net"]["galleries"]["shipped decoys"]
            assert ("pmf" in gallery) == (faces == 25)

    def test_it_names_no_photo_no_folder_and_no_person(self, looking: Looking, tmp_path: Path):
        for i, (clean,) in enumerate(people(30)):
            save_faces(tmp_path / "secretin" / "secretalbum" / f"secretname{i}.png", clean)
            save_faces(tmp_path / "secretout" / "secretalbum" / f"secretname{i}.png", at_rank(clean, 2 + i % 5))
            save_faces(tmp_path / "secretpeople" / f"secretperson{i}" / "x.png", clean)
        save_faces(tmp_path / "secretout" / "secretextra.png")
        found = audited(tmp_path / "secretin", tmp_path / "secretout", people=tmp_path / "secretpeople")
        assert {face.person for face in found.faces} == {f"secretperson{i}" for i in range(30)}
        text = json.dumps(shared_part(found.document))
        assert "secret" not in text
        assert str(tmp_path) not in text


class TestDigest:
    def test_it_does_not_depend_on_the_order_of_keys_and_does_on_values(self):
        assert sealed({"a": 1, "b": [1, 2]})["digest"] == sealed({"b": [1, 2], "a": 1})["digest"]
        assert sealed({"a": 1, "b": [1, 2]})["digest"] != sealed({"a": 1, "b": [2, 1]})["digest"]

    def test_it_survives_a_file(self, report: Json):
        assert sealed(read_back(report))["digest"] == report["digest"]

    def test_what_json_cannot_hold_is_null(self):
        assert finite({"a": [float("nan"), float("inf"), 0.5]}) == {"a": [None, None, 0.5]}
        assert sha256_of([float("nan")]) == sha256_of([None])

    def test_sealing_twice_changes_nothing(self, report: Json):
        assert sealed(sealed(report)) == sealed(report)


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], Path]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    def write(kind: str) -> Path:
        key: Any = ed25519.Ed25519PrivateKey.generate()
        if kind == "curve":
            key = ec.generate_private_key(ec.SECP256R1())
        encryption: Any = serialization.NoEncryption()
        if kind == "encrypted":
            encryption = serialization.BestAvailableEncryption(b"secret")
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        if kind == "public":
            public = serialization.PublicFormat.SubjectPublicKeyInfo
            pem = key.public_key().public_bytes(serialization.Encoding.PEM, public)
        file = tmp_path / f"{kind}.pem"
        file.write_bytes(b"no key" if kind == "text" else pem)
        return file

    return write


class TestSignatures:
    def test_a_signed_report_holds(self, report: Json, keys: Callable[[str], Path]):
        assert differences(read_back(signed(report, keys("ed25519"))), None) == []

    def test_an_edited_and_resealed_report_does_not(self, report: Json, keys: Callable[[str], Path]):
        holds = signed(report, keys("ed25519"))
        # Everything recomputed, as somebody would who has the program: only the signature tells.
        sets = copy.deepcopy(holds["sets"])
        sets[0]["counts"]["findings"] = []
        forged = assemble(holds["configuration"], holds["recognizers"], sets, holds["made"])
        assert differences(forged, None) == []
        forged["signature"] = holds["signature"]
        assert differences(forged, None) == ["signature: it does not belong to this report"]

    def test_a_key_that_did_not_sign_does_not_verify(self, report: Json, keys: Callable[[str], Path]):
        holds, other = signed(report, keys("ed25519")), signed(report, keys("ed25519"))
        holds["signature"]["public_key"] = other["signature"]["public_key"]
        assert differences(holds, None) == ["signature: it does not belong to this report"]

    @pytest.mark.parametrize(
        "broken", [None, {}, "x", {"public_key": "!", "value": "!"}, {"public_key": "AAAA", "value": ""}]
    )
    def test_what_is_no_signature_cannot_be_read(self, report: Json, broken: Any):
        assert differences(report | {"signature": broken}, None) == ["signature: it cannot be read"]

    @pytest.mark.parametrize("kind", ["curve", "encrypted", "public", "text", "missing"])
    def test_only_a_plain_private_ed25519_key_signs(self, report: Json, keys: Callable[[str], Path], kind: str):
        file = Path("missing.pem") if kind == "missing" else keys(kind)
        with pytest.raises(UsageError, match=file.name):
            signed(report, file)

    def test_without_the_package_one_line_says_what_to_install(
        self, report: Json, keys: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
    ):
        key = keys("ed25519")
        holds = signed(report, key)
        plainly = builtins.__import__

        def without(name: str, *arguments: Any) -> Any:
            if name.startswith("cryptography"):
                raise ImportError(name)
            return plainly(name, *arguments)

        monkeypatch.setattr(builtins, "__import__", without)
        for need in (lambda: signed(report, key), lambda: differences(holds, None)):
            with pytest.raises(UsageError, match="pip install"):
                need()
        assert differences(report, None) == []  # a report without a signature needs none


def test_weights_of_another_machine_are_not_checked_and_no_difference(report: Json, monkeypatch: pytest.MonkeyPatch):
    assert weights_elsewhere(report) == []
    monkeypatch.setattr(document, "manifest", dict)
    assert differences(report, None) == []
    assert weights_elsewhere(report) == [WEIGHTS]
