"""A report's folder and the command, from photos that are only embeddings: what is written, for whom, and what --check
finds when somebody has interfered.
"""

import csv
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from audit.journals import write_journal
from fakes import Looking, at_rank, people, save_faces

from deid.audit.report.document import sealed
from deid.audit.report.folder import check_report
from deid.commands import main as cli
from deid.errors import UsageError

Json = dict[str, Any]
FIRST = "sets", 0, "figures", "recognizers", "net", "galleries", "shipped decoys", "pmf", "2"


@pytest.fixture
def folders(looking: Looking, tmp_path: Path) -> tuple[Path, Path]:
    """Twenty-five people with a photo each, evenly at the ranks 2..6."""
    for i, (clean,) in enumerate(people(25)):
        save_faces(tmp_path / "in" / f"secret{i}.png", clean)
        save_faces(tmp_path / "out" / f"secret{i}.png", at_rank(clean, 2 + i % 5))
    return tmp_path / "in", tmp_path / "out"


@pytest.fixture
def report(folders: tuple[Path, Path], tmp_path: Path) -> Path:
    assert audit(*folders, "--report", tmp_path / "report") == 7  # so few people decide nothing
    return tmp_path / "report"


def audit(*arguments: str | Path) -> int:
    return cli.run(["audit", *map(str, arguments), *([] if "--check" in arguments else ["--against", "net"])])


def read(path: Path) -> Json:
    return json.loads(path.read_text())


class TestFolder:
    def test_the_private_part_is_the_operators_alone(self, report: Path):
        assert {path.name for path in (report / "shared").iterdir()} == {"report.json", "report.html"}
        assert stat.S_IMODE((report / "private").stat().st_mode) == 0o700
        private = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (report / "private").iterdir()}
        assert private.keys() >= {"report.json", "report.html", "faces.csv", "files.csv", "riskiest.png"}
        assert set(private.values()) == {0o600}

    def test_who_stands_too_often_at_one_rank_is_told_to_the_operator(
        self, folders: tuple[Path, Path], report: Path, tmp_path: Path
    ):
        """Eight photos of one person always at rank 2, of another at 2, 3, 4, 5, 6, 2, 3, 4; nobody else has two."""
        originals, published = folders
        for name, photos, ranks in zip(
            "xy", people(2, photos=8, seed=9), ([2] * 8, [2, 3, 4, 5, 6, 2, 3, 4]), strict=True
        ):
            for i, (clean, rank) in enumerate(zip(photos, ranks, strict=True)):
                save_faces(originals / f"{name}{i}.png", clean)
                save_faces(published / f"{name}{i}.png", at_rank(clean, rank))
        audit(originals, published, "--report", report)
        assert list(csv.DictReader((report / "private" / "persons.csv").open())) == []  # by unknown means: anywhere
        write_journal(published, "net", files=sorted(published.iterdir()), profile="paper").close()
        audit(originals, published, "--report", report)
        table = list(csv.DictReader((report / "private" / "persons.csv").open()))
        shipped = [row for row in table if row["gallery"] == "net: rank, shipped decoys"]
        assert [[int(row[f"rank {rank}"]) for rank in range(2, 7)] for row in shipped] == [
            [8, 0, 0, 0, 0],
            [2, 2, 2, 1, 1],
        ]
        assert float(shipped[0]["p, corrected"]) == pytest.approx(2 * 5 / 5**8)
        assert float(shipped[1]["p, corrected"]) == 1
        faces = csv.DictReader((report / "private" / "faces.csv").open())
        assert {row["person"] for row in faces if Path(row["published"]).stem[0] == "x"} == {shipped[0]["person"]}

    def test_names_and_ranks_of_faces_are_in_it_and_nowhere_else(self, report: Path):
        rows = list(csv.DictReader((report / "private" / "faces.csv").open()))
        ranks = {Path(row["published"]).stem: row["net: rank, shipped decoys"] for row in rows}
        assert ranks == {f"secret{i}": str(2 + i % 5) for i in range(25)}
        for path in (report / "shared").iterdir():
            assert "secret" not in path.read_text()

    def test_a_folder_with_other_files_is_refused_before_any_photo_is_looked_at(
        self, folders: tuple[Path, Path], tmp_path: Path, looking: Looking
    ):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter.txt").write_text("dear")
        assert audit(*folders, "--report", tmp_path / "mine") == 2
        assert not looking.originals
        assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"

    @pytest.mark.parametrize("earlier", [1, 2, 3, 4])
    def test_one_of_an_earlier_version_is_named_and_replaced(
        self, report: Path, folders: tuple[Path, Path], earlier: int
    ):
        for part in ("shared", "private"):
            path = report / part / "report.json"
            path.write_text(json.dumps(read(path) | {"format": f"face-deid audit {earlier}"}))
        with pytest.raises(UsageError, match=rf"another version of this program \(face-deid audit {earlier}\)"):
            check_report(report, [])
        assert audit(*folders, "--report", report) == 7
        assert check_report(report, []).differences == ()

    def test_an_earlier_report_is_replaced(self, report: Path, folders: tuple[Path, Path]):
        (folders[1] / "secret0.png").unlink()
        shutil.copy(folders[0] / "secret1.png", folders[1])
        assert audit(*folders, "--report", report) == 6
        assert read(report / "shared" / "report.json")["verdict"] == "violated"
        assert audit("--check", report) == 0


def contents(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def inside_the_originals(root: Path) -> Path:
    return root / "in" / "report"


def inside_the_published_photos(root: Path) -> Path:
    return root / "out" / "report"


def the_published_folder(root: Path) -> Path:
    return root / "out"


def a_link_to_the_originals(root: Path) -> Path:
    (root / "report").symlink_to("in")
    return root / "report"


def a_link_into_the_originals(root: Path) -> Path:
    (root / "in" / "empty").mkdir()
    (root / "report").symlink_to("in/empty")
    return root / "report"


def a_linked_private_part(root: Path) -> Path:
    (root / "report").mkdir()
    (root / "report" / "private").symlink_to("../in")
    return root / "report"


def a_linked_shared_part(root: Path) -> Path:
    (root / "mine").mkdir()
    (root / "report").mkdir()
    (root / "report" / "shared").symlink_to("../mine")
    return root / "report"


def a_file_that_is_an_original(root: Path) -> Path:
    audit(root / "in", root / "out", "--report", root / "report")
    (root / "report" / "private" / "faces.csv").unlink()
    (root / "report" / "private" / "faces.csv").hardlink_to(root / "in" / "secret0.png")
    return root / "report"


def folders_of_the_same_names(root: Path) -> Path:
    for part in ("shared", "private"):
        (root / "mine" / part).mkdir(parents=True)
        for name in ("report.json", "report.html", "riskiest.png"):
            (root / "mine" / part / name).write_text("{}")
    return root / "mine"


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
class TestPlace:
    @pytest.mark.parametrize(
        "place",
        [
            inside_the_originals, inside_the_published_photos, the_published_folder, a_link_to_the_originals,
            a_link_into_the_originals, a_linked_private_part, a_linked_shared_part, a_file_that_is_an_original,
            folders_of_the_same_names,
        ],
    )  # fmt: skip
    def test_a_report_is_not_written_among_photos_or_over_the_users_files(
        self, folders: tuple[Path, Path], tmp_path: Path, place: Callable[[Path], Path], capsys: Any
    ):
        report = place(tmp_path)
        # What an audit that is broken off has measured is kept.
        before = {path: data for path, data in contents(tmp_path).items() if "state" not in path.parts}
        modes = {path: path.stat().st_mode for path in tmp_path.rglob("*") if "state" not in path.parts}
        assert audit(*folders, "--report", report) == 2
        assert str(report) in capsys.readouterr().err
        after = {path: data for path, data in contents(tmp_path).items() if "state" not in path.parts}
        assert after == before
        assert modes == {path: path.stat().st_mode for path in tmp_path.rglob("*") if "state" not in path.parts}

    @pytest.mark.parametrize("parts", [("private", "shared"), ("shared", "private")])
    def test_photos_in_folders_called_like_a_reports_parts_are_no_report(
        self, folders: tuple[Path, Path], tmp_path: Path, parts: tuple[str, str]
    ):
        (tmp_path / "mine").mkdir()
        originals, published = (
            folder.rename(tmp_path / "mine" / part) for folder, part in zip(folders, parts, strict=True)
        )
        before = contents(tmp_path / "mine")
        assert audit(originals, published, "--report", tmp_path / "mine") == 2
        assert contents(tmp_path / "mine") == before

    def test_a_link_made_while_photos_are_looked_at_is_seen(
        self, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        from deid.audit import run

        real = run.assemble

        def link(*arguments: Any) -> Json:
            (tmp_path / "report").symlink_to("in")
            return real(*arguments)

        monkeypatch.setattr(run, "assemble", link)
        before = contents(folders[0])
        assert audit(*folders, "--report", tmp_path / "report") == 2
        assert contents(folders[0]) == before

    @pytest.mark.parametrize("mounted", ["in", "in/album"])
    def test_photos_mounted_as_a_part_of_the_report_are_seen(
        self, folders: tuple[Path, Path], tmp_path: Path, bind: Callable[[Path, Path], None], mounted: str
    ):
        (tmp_path / "in" / "album").mkdir()
        save_faces(tmp_path / "in" / "album" / "more.png")
        bind(tmp_path / mounted, tmp_path / "report" / "private")
        before = contents(folders[0])
        assert audit(*folders, "--report", tmp_path / "report") == 2
        assert contents(folders[0]) == before

    def test_a_report_that_was_broken_off_is_written_again(self, folders: tuple[Path, Path], report: Path):
        for path in [*(report / "shared").iterdir(), *(report / "private").glob("*.csv")]:
            path.unlink()
        assert audit(*folders, "--report", report) == 7
        assert (report / "shared" / "report.json").is_file()

    def test_through_a_link_to_an_empty_folder_it_is_written(self, folders: tuple[Path, Path], tmp_path: Path):
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "report").symlink_to("elsewhere")
        assert audit(*folders, "--report", tmp_path / "report") == 7
        assert (tmp_path / "elsewhere" / "shared" / "report.json").is_file()

    @pytest.mark.parametrize("place", ["in/report", "out", "out/report", "link"])
    def test_a_folder_run_refuses_such_a_report_before_any_photo(
        self, folders: tuple[Path, Path], tmp_path: Path, place: str
    ):
        shutil.rmtree(folders[1])  # OUT does not exist yet
        (tmp_path / "link").symlink_to("in")
        before = contents(tmp_path)
        assert cli.run(["folder", *map(str, folders), "--report", str(tmp_path / place)]) == 2
        assert contents(tmp_path) == before


def edit_figure(report: Path) -> None:
    for part in ("shared", "private"):
        document = read(report / part / "report.json")
        place: Any = document
        for key in FIRST:
            place = place[key]
        place["value"] = 0.05
        (report / part / "report.json").write_text(json.dumps(document))


def edit_page(report: Path) -> None:
    page = report / "shared" / "report.html"
    page.write_text(page.read_text().replace("Too few to judge", "Yes"))


def swap(report: Path) -> None:
    exchange(*(report.parent / "out" / f"secret{i}.png" for i in (0, 1)))


def exchange(a: Path, b: Path) -> None:
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def forge_page(report: Path) -> None:
    """With the digest that it should have."""
    page = report / "private" / "report.html"
    page.write_text(page.read_text().replace("first", "last"))


class TestCheck:
    def test_an_untouched_report_holds(self, report: Path, folders: tuple[Path, Path], capsys: Any):
        assert audit("--check", report) == 0
        assert audit("--check", report, folders[1]) == 0
        told = capsys.readouterr().out
        assert "weights of net: not on this machine, so not checked" in told
        assert "not signed: whoever recomputes everything can forge" in told

    @pytest.mark.parametrize("named", [False, True], ids=["files as listed", "folder named"])
    @pytest.mark.parametrize(
        ("interfere", "told"),
        [
            (edit_figure, "figures.recognizers.net.galleries.shipped decoys.pmf.2.value: the report says 0.05"),
            (edit_page, "report.html: edited after it was made"),
            (swap, "not the file that was audited"),
            (lambda report: (report.parent / "out" / "secret3.png").write_bytes(b"x"), "not the file that was audited"),
            (lambda report: (report.parent / "out" / "secret3.png").unlink(), "no file has the SHA-256 it had"),
            (lambda report: (report / "shared" / "report.html").unlink(), "report.html: missing"),
        ],
        ids=["figure", "page", "swapped", "file", "file gone", "page gone"],
    )
    def test_what_was_done_to_it_is_named(
        self, report: Path, capsys: Any, interfere: Callable[[Path], Any], told: str | None, named: bool
    ):
        interfere(report)
        code = audit("--check", report, *([report.parent / "out"] if named else []))
        assert code == (8 if told else 0)
        assert (told or "as they were") in capsys.readouterr().out

    def test_without_the_private_part_and_a_folder_it_says_that_no_file_was_looked_at(self, report: Path, capsys: Any):
        shutil.rmtree(report / "private")
        (report.parent / "out" / "secret3.png").write_bytes(b"x")
        assert audit("--check", report) == 0
        assert "the published files were not checked" in capsys.readouterr().out
        assert audit("--check", report, report.parent / "out") == 8

    def test_every_file_of_both_parts_is_compared_and_nothing_may_be_added(self, report: Path):
        private = report / "private"
        interferences: list[tuple[Callable[[], Any], str]] = [
            (lambda: forge_page(report), "private report.html: edited after it was made"),
            (lambda: (private / "report.html").unlink(), "private report.html: missing"),
            (lambda: (private / "faces.csv").write_text("id\n"), "private faces.csv: not the file that was written"),
            (
                lambda: shutil.copy(private / "riskiest.png", private / "worst-looking.png"),
                "private worst-looking.png: not the file that was written",
            ),
            (lambda: (private / "files.csv").write_text("x"), "private files.csv: not the file that was written"),
            (lambda: (private / "persons.csv").unlink(), "private persons.csv: missing"),
            (lambda: (private / "report.json").unlink(), "private report.json: missing"),
            (lambda: (private / "x.csv").write_text("x"), "private x.csv: the report does not know this file"),
            (lambda: (report / "shared" / "x.html").write_text("x"), "x.html: the report does not know this file"),
        ]
        untouched = contents(report)
        for interfere, told in interferences:
            interfere()
            assert told in check_report(report, []).differences
            for path in contents(report).keys() - untouched.keys():
                path.unlink()
            for path, data in untouched.items():
                path.write_bytes(data)
        assert check_report(report, []).differences == ()

    def test_two_photos_swapped_in_a_moved_copy_are_told_whoever_has_which_part(
        self, report: Path, folders: tuple[Path, Path], tmp_path: Path
    ):
        moved = tmp_path / "moved"
        folders[1].rename(moved)
        shutil.copytree(report / "shared", tmp_path / "alone")
        for part in (report, tmp_path / "alone"):
            assert check_report(part, [moved]).differences == ()
        exchange(moved / "secret0.png", moved / "secret1.png")
        for part in (report, tmp_path / "alone"):
            lines = check_report(part, [moved]).differences
            assert sum(line.endswith("the file with its SHA-256 has another name") for line in lines) == 2
            assert {line.split(":")[0] for line in lines if "and not its name" in line} == {
                str(moved / f"secret{i}.png") for i in (0, 1)
            }

    def test_photos_of_one_name_exchanged_between_two_sets_are_told(
        self, report: Path, folders: tuple[Path, Path], tmp_path: Path
    ):
        other = tmp_path / "other"
        for i, (clean,) in enumerate(people(25)):
            save_faces(other / f"secret{i}.png", at_rank(clean, 3))
        audit(*folders, other, "--report", report)
        moved = [folder.rename(tmp_path / name) for folder, name in ((folders[1], "x"), (other, "y"))]
        for places in (moved, moved[::-1]):  # in whatever order
            assert check_report(report, places).differences == ()
        exchange(moved[0] / "secret0.png", moved[1] / "secret0.png")
        lines = check_report(report, moved).differences
        assert {line.split(":")[0][0] for line in lines if "no file has" in line} == {"A", "B"}

    def test_the_shared_part_is_checked_alone_and_names_nobody(self, report: Path, tmp_path: Path, capsys: Any):
        alone = tmp_path / "for others"
        shutil.copytree(report / "shared", alone)
        assert audit("--check", alone) == 0
        assert audit("--check", report / "private") == 0
        edit_page(report)
        shutil.copy(report / "shared" / "report.html", alone)
        assert audit("--check", alone) == 8
        assert "report.html: edited after it was made" in capsys.readouterr().out

    def test_a_page_that_another_version_drew_is_not_compared_and_that_is_said(self, report: Path, capsys: Any):
        document = read(report / "shared" / "report.json")
        document["made"]["drawn_by"] = "0" * 16
        document = sealed(document)
        (report / "shared" / "report.json").write_text(json.dumps(document))
        page = f'<meta content="{document["digest"]}">'
        (report / "shared" / "report.html").write_text(page)
        shutil.rmtree(report / "private")
        assert audit("--check", report) == 0
        assert "report.html: drawn by another version: not compared" in capsys.readouterr().out

    def test_a_sheet_of_an_earlier_report_does_not_stay_beside_a_later_one(
        self, report: Path, folders: tuple[Path, Path]
    ):
        assert (report / "private" / "riskiest.png").is_file()
        for path in folders[1].iterdir():
            path.unlink()
        audit(*folders, "--report", report)
        assert not (report / "private" / "riskiest.png").exists()
        assert check_report(report, []).differences == ()

    def test_a_private_part_of_another_report_is_told(self, report: Path, folders: tuple[Path, Path], tmp_path: Path):
        (folders[1] / "secret0.png").unlink()
        audit(*folders, "--report", tmp_path / "other")
        shutil.rmtree(report / "private")
        shutil.copytree(tmp_path / "other" / "private", report / "private")
        assert "private report.json: the shared part is not made from it" in check_report(report, []).differences

    def test_whose_key_signed_is_told_and_an_edit_breaks_the_signature(
        self, folders: tuple[Path, Path], tmp_path: Path, capsys: Any
    ):
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519

        pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "key.pem").write_bytes(pem)
        report = tmp_path / "report"
        assert audit(*folders, "--report", report, "--sign", tmp_path / "key.pem") == 7
        document = read(report / "shared" / "report.json")
        assert audit("--check", report) == 0
        assert f"by the public key {document['signature']['public_key']}" in capsys.readouterr().out
        document["digest"] = "0" * 64
        (report / "shared" / "report.json").write_text(json.dumps(document))
        assert "signature: it does not belong to this report" in check_report(report, []).differences

    def test_what_is_no_report_is_refused(self, tmp_path: Path):
        (tmp_path / "shared").mkdir()
        for text in (None, "no json", "[]", "{}"):
            if text is not None:
                (tmp_path / "shared" / "report.json").write_text(text)
            with pytest.raises(UsageError, match="not a report"):
                check_report(tmp_path, [])


class TestCommand:
    def test_twelve_photos_are_too_few_and_an_unreadable_input_is_no_alarm(
        self, looking: Looking, tmp_path: Path, capsys: Any
    ):
        for i, (clean,) in enumerate(people(12)):
            save_faces(tmp_path / "in" / f"{i}.png", clean)
            save_faces(tmp_path / "out" / f"{i}.png", at_rank(clean, 2 + i % 5))
        (tmp_path / "in" / "broken.png").write_bytes(b"")
        write_journal(tmp_path / "out", "net", files=sorted((tmp_path / "out").iterdir()), profile="paper").close()
        assert audit(tmp_path / "in", tmp_path / "out", "--report", tmp_path / "report") == 7
        told = capsys.readouterr().out
        assert "conditions: too few" in told
        assert "12 persons are too few to judge how people are spread: at least 77 are needed." in told
        shared, whole = (read(tmp_path / "report" / part / "report.json") for part in ("shared", "private"))
        for document in (shared, whole):
            assert document["verdict"] == "too few"
            assert [finding["kind"] for finding in document["sets"][0]["counts"]["findings"]] == ["unreadable original"]
        assert shared["sets"][0]["first_screen"] == whole["sets"][0]["first_screen"]
        assert 'class="overall too-few"' in (tmp_path / "report" / "shared" / "report.html").read_text()

    def test_json_is_the_shared_report_and_nothing_else(self, folders: tuple[Path, Path], capsys: Any):
        audit(*folders, "--json")
        assert json.loads(capsys.readouterr().out)["format"] == "face-deid audit 5"

    def test_an_interrupted_one_says_so_in_a_line_and_goes_on(
        self, folders: tuple[Path, Path], looking: Looking, capsys: Any
    ):
        looking.stop_after = 20
        assert audit(*folders) == 130
        told = capsys.readouterr()
        assert not told.out
        assert told.err.splitlines()[-2:] == [
            "what was measured so far is kept: the same command goes on from there",
            "deid: interrupted",
        ]
        looking.stop_after = None
        assert audit(*folders) == 7
        assert set(looking.originals.values()) == {1}
        assert not list((Path(platformdirs.user_state_dir("face-deid")) / "audits").iterdir())

    @pytest.mark.parametrize(
        "arguments", [[], ["in"], ["in", "out", "--sign", "key.pem"], ["in", "out", "--report", "in/secret0.png"]]
    )
    def test_what_makes_no_sense_is_refused(
        self, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
    ):
        monkeypatch.chdir(folders[0].parent)
        assert audit(*arguments) == 2
