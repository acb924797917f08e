import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes import entry

from deid.audit.provenance import RecordedRun, made_by, surrogates_of
from deid.batch.journal import Journal, journal_path
from deid.batch.photo_tree import journal_name
from deid.errors import UsageError
from deid.types import FaceResult, PhotoResult

NET = entry("net", training_data="faces of A", teacher="master", teacher_trained_on="faces of M")


class TestSurrogates:
    def test_weights_replaced_since_the_run_are_not_those_attacked(self):
        entries = {"net": NET, "other": entry("other")}

        def attacked(*names: str, weights: str = "") -> Any:
            return surrogates_of(RecordedRun(5, "k-a3", (), "paper", names, weights, {}), entries)

        assert attacked("net", "other", weights=NET.sha256[:16]) == [NET, entries["other"]]
        assert attacked("net", weights="0" * 16) is None
        assert attacked("net", "gone") is None
        assert attacked() == []
        assert surrogates_of(None, entries) is None


def configuration(**changes: Any) -> dict[str, Any]:
    return {"K": 3, "method": "k-a3", "recognizer": "lightcnn9 0123abcd"} | changes


def write_journal(published: Path, written: dict[Path, str], *attacks: str | None, **changes: Any) -> Journal:
    """attacks: what ran, for a face each of every photo."""
    faces = tuple(FaceResult((0, 0, 1, 1), "itself", "protected", rank_after=2, attack=attack) for attack in attacks)
    journal = Journal(journal_path(published), configuration(**changes))
    for path, sha256 in written.items():
        name = journal_name(path)
        result = PhotoResult(str(path), str(path), "protected", "paper", "k-a3", 3, faces)
        journal.add_found(name, "sha of the input", [], 0.5)
        journal.intend(name, sha256, None, result)
        journal.finish(name, result)
    return journal


class TestMadeBy:
    def test_the_journal_of_the_run_tells_level_method_surrogate_and_files(self, tmp_path: Path):
        odd = Path("album/ä photo #1.jpg")
        write_journal(tmp_path, {Path("a.jpg"): "1" * 64, odd: "2" * 64}).close()
        found = made_by(tmp_path)
        assert found is not None
        assert (found.k_level, found.made_with, found.surrogates) == (3, "k-a3", ("lightcnn9",))
        assert found.outputs == {Path("a.jpg"): "1" * 64, odd: "2" * 64}

    @pytest.mark.parametrize("profile", ["stranger", "paper"])
    @pytest.mark.parametrize("further", [{}, {"dlib-resnet": "0" * 16, "mobilenet-vggface2": "1" * 16}])
    def test_the_profile_is_told_with_the_method_and_what_else_was_attacked(
        self, tmp_path: Path, profile: str, further: dict[str, str]
    ):
        recognizer = f"lightcnn9 {NET.sha256[:16]}"
        changes = {"profile": profile, "recognizer": recognizer, "further surrogates": further or None}
        write_journal(tmp_path, {}, **changes).close()
        found = made_by(tmp_path)
        assert found is not None
        assert (found.made_with, found.surrogates) == (f"k-a3, profile {profile}", ("lightcnn9", *further))
        assert found.weights == NET.sha256[:16]
        assert found.among_the_first == (profile == "paper")

    def test_a_journal_of_another_version_is_told_by_its_name(self, tmp_path: Path):
        path = journal_path(tmp_path)
        write_journal(tmp_path, {Path("a.jpg"): "1" * 64}).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 1")
        with pytest.raises(UsageError, match=f"made by another version of this program: move its journal {path} away"):
            made_by(tmp_path)

    def test_what_really_ran_is_told_whatever_was_asked_for(self, tmp_path: Path):
        attacks = ("feature-level, k-a3", "feature-level", "blur", None)
        write_journal(tmp_path, {Path("a.jpg"): "1" * 64}, *attacks, profile="stranger").close()
        found = made_by(tmp_path)
        assert found is not None
        assert (found.method, found.ran) == ("k-a3", ("feature-level", "k-a3", "blur"))
        assert found.made_with == "feature-level and k-a3 and blur, profile stranger"

    def test_an_attack_that_no_run_wrote_is_refused(self, tmp_path: Path):
        write_journal(tmp_path, {Path("a.jpg"): "1" * 64}, "<script>").close()
        with pytest.raises(UsageError, match="none of this program"):
            made_by(tmp_path)

    @pytest.mark.parametrize("recognizer", ["", "lightcnn9", "lightcnn9 0123abcd more"])
    def test_a_recognizer_without_its_weights_is_refused(self, tmp_path: Path, recognizer: str):
        write_journal(tmp_path, {}, recognizer=recognizer).close()
        with pytest.raises(UsageError, match="none of this program"):
            made_by(tmp_path)

    @pytest.mark.parametrize("further", ["dlib-resnet", ["dlib-resnet"], [["a", "b", "c"]], 7])
    def test_surrogates_that_no_run_wrote_are_refused(self, tmp_path: Path, further: Any):
        write_journal(tmp_path, {}, **{"further surrogates": further}).close()
        with pytest.raises(UsageError, match="none of this program"):
            made_by(tmp_path)

    def test_a_photo_that_was_not_written_is_not_among_them(self, tmp_path: Path):
        journal = write_journal(tmp_path, {Path("a.jpg"): "1" * 64})
        journal.add_found("failed.jpg", "sha of the input", [], 0.5)
        journal.close()
        found = made_by(tmp_path)
        assert found is not None
        assert set(found.outputs) == {Path("a.jpg")}

    @pytest.mark.parametrize("method", ["blur", "pixelate"])
    def test_an_obfuscation_has_no_surrogate(self, tmp_path: Path, method: str):
        write_journal(tmp_path, {}, method=method, profile="paper").close()
        found = made_by(tmp_path)
        assert found is not None
        assert (found.made_with, found.surrogates, found.among_the_first) == (method, (), False)

    def test_a_folder_that_no_run_here_wrote_tells_nothing(self, tmp_path: Path):
        assert made_by(tmp_path) is None
        assert not journal_path(tmp_path).exists()  # and looking leaves nothing behind

    def test_a_run_that_is_still_writing_is_waited_for(self, tmp_path: Path):
        journal = write_journal(tmp_path, {Path("a.jpg"): "1" * 64})
        with pytest.raises(UsageError, match="still writing"):
            made_by(tmp_path)
        journal.close()
        assert made_by(tmp_path) is not None

    def test_a_damaged_journal_is_told(self, tmp_path: Path):
        write_journal(tmp_path, {}).close()
        journal_path(tmp_path).write_bytes(b"not a database" * 100)
        with pytest.raises(UsageError, match="cannot be read"):
            made_by(tmp_path)

    def test_reading_it_changes_nothing(self, tmp_path: Path):
        write_journal(tmp_path, {Path("a.jpg"): "1" * 64}).close()
        before = journal_path(tmp_path).read_bytes()
        made_by(tmp_path)
        assert journal_path(tmp_path).read_bytes() == before
