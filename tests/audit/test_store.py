import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import pytest
from fakes import Looking, at_rank, audited, people, save_faces

from deid.audit import folders as audited_folders
from deid.audit.run import AuditOptions, audit
from deid.audit.store import Store, stamp_of, store_path
from deid.errors import UsageError


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store(tmp_path / "state" / "audit.sqlite")
    yield store
    store.close()


def vectors(*rows: float) -> np.ndarray:
    return np.array(rows, np.float32)


class TestStore:
    def test_what_is_put_comes_back_by_path_and_number(self, store: Store):
        store.put("A", "b", "s1", {"x": 1}, [{"net": vectors(1, 2), "dlib": vectors(3)}, {"net": vectors(4, 5)}])
        store.put("A", "a", "s2", {"x": 2}, [{"net": vectors(6, 7)}])
        store.put("B", "a", "s3", {"x": 3}, [{"net": vectors(8, 9)}])
        assert list(store.records("A")) == [("a", {"x": 2}), ("b", {"x": 1})]
        found = [(path, number, values.tolist()) for path, number, values in store.embeddings("A", "net")]
        assert found == [("a", 0, [[6, 7]]), ("b", 0, [[1, 2]]), ("b", 1, [[4, 5]])]
        assert [values.shape for *_, values in store.embeddings("A", "net", rows=2)] == [(2, 1)] * 3
        assert (store.stamp("A", "b"), store.stamp("A", "c")) == ("s1", None)
        assert list(store.records("B")) == [("a", {"x": 3})]

    def test_what_nobody_went_on_with_for_a_month_is_forgotten(self, store: Store):
        old, recent = store.path.with_name("old.sqlite"), store.path.with_name("recent.sqlite")
        for path, days in ((old, 31), (recent, 29)):
            path.write_bytes(b"state")
            then = path.stat().st_mtime - days * 86400
            os.utime(path, (then, then))
        Store(store.path.with_name("another.sqlite")).close()
        assert not old.exists()
        assert recent.exists()
        assert store.path.exists()

    def test_a_photo_put_again_loses_the_faces_it_had(self, store: Store):
        store.put("A", "a", "s1", {}, [{"net": vectors(1)}, {"net": vectors(2)}])
        store.put("A", "a", "s2", {"again": True}, [{"net": vectors(3)}])
        assert [values.item() for *_, values in store.embeddings("A", "net")] == [3]
        assert store.stamp("A", "a") == "s2"
        assert list(store.records("A")) == [("a", {"again": True})]

    def test_looks_come_back_by_their_names_nearly_as_exact(self, store: Store):
        rows = np.random.default_rng(0).normal(size=(2, 256)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        looks = [(("MTCNN", "CenterFace, on white"), {"net": rows}), ((), {"net": rows[:0]})]
        store.put("A", "a", "s1", {}, [{"net": rows[:1]}, {"net": rows[:1]}], looks)
        (found,) = store.looks("A", "net")
        assert (found.path, found.number, found.names) == ("a", 0, ("MTCNN", "CenterFace, on white"))
        assert np.abs(found.embeddings @ rows[0] - rows @ rows[0]).max() < 1e-4
        assert not list(store.looks("B", "net"))
        store.put("A", "a", "s2", {}, [])
        assert not list(store.looks("A", "net"))
        store.put("A", "a", "s3", {}, [], looks)
        store.keep_only("A", [])
        assert not list(store.looks("A", "net"))

    def test_a_photo_that_cannot_be_kept_whole_is_not_kept(self, store: Store):
        with pytest.raises(ValueError, match="could not convert"):
            store.put("A", "a", "s1", {}, [{"net": vectors(1)}, {"net": np.array(["x"])}])
        assert store.stamp("A", "a") is None
        assert not list(store.embeddings("A", "net"))

    def test_photos_that_are_gone_are_forgotten_in_their_place_alone(self, store: Store):
        for place in ("A", "B"):
            for path in ("a", "b"):
                store.put(place, path, "s", {}, [{"net": vectors(1)}])
        store.keep_only("A", ["b"])
        assert [path for path, _ in store.records("A")] == [path for path, *_ in store.embeddings("A", "net")] == ["b"]
        assert len(list(store.records("B"))) == 2

    def test_it_outlives_its_process_and_can_be_deleted(self, tmp_path: Path):
        store = Store(tmp_path / "audit.sqlite")
        store.put("A", "a", "s1", {}, [])
        store.close()
        again = Store(tmp_path / "audit.sqlite")
        assert again.stamp("A", "a") == "s1"
        again.delete()
        assert not list(tmp_path.iterdir())

    def test_nobody_else_can_read_it(self, store: Store):
        before = os.umask(0)
        try:
            path = store_path({"x": 1})
            Store(path).close()
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_it_lies_in_the_users_state_folder_and_is_another_one_for_another_audit(self):
        assert Path(platformdirs.user_state_dir("face-deid")) in store_path({"x": 1}).parents
        assert store_path({"x": 1, "y": 2}) == store_path({"y": 2, "x": 1}) != store_path({"x": 1})

    def test_a_second_one_is_refused_while_the_first_is_open(self, store: Store):
        with pytest.raises(UsageError, match="running already"):
            Store(store.path)
        store.close()
        Store(store.path).close()

    def test_a_damaged_one_is_told(self, tmp_path: Path):
        path = tmp_path / "audit.sqlite"
        path.write_bytes(b"not a database" * 100)
        with pytest.raises(UsageError, match="delete it"):
            Store(path)


def test_a_stamp_changes_with_size_and_time_and_existence(tmp_path: Path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"1")
    stamps = [stamp_of(a, b)]
    b.write_bytes(b"1")
    stamps.append(stamp_of(a, b))
    b.write_bytes(b"12")
    stamps.append(stamp_of(a, b))
    os.utime(b, ns=(1, 1))
    stamps.append(stamp_of(a, b))
    assert len(set(stamps)) == 4
    assert stamp_of(a, b) == stamps[-1]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Six photos of six people."""
    for i, (clean,) in enumerate(people(6)):
        save_faces(tmp_path / "in" / f"{i}.png", clean)
        save_faces(tmp_path / "out" / f"{i}.png", at_rank(clean, 2 + i % 5))
    return tmp_path / "in", tmp_path / "out"


def stores() -> list[Path]:
    return list((Path(platformdirs.user_state_dir("face-deid")) / "audits").glob("*"))


class TestGoingOn:
    def test_an_interrupted_audit_goes_on_where_it_stopped(self, looking: Looking, folders: tuple[Path, Path]):
        expected = audited(*folders).document["sets"]
        looking.originals.clear()
        looking.stop_after = 4
        with pytest.raises(KeyboardInterrupt):
            audited(*folders)
        assert looking.originals.total() == 4
        looking.originals.clear()
        looking.published.clear()
        looking.stop_after = None
        assert audited(*folders).document["sets"] == expected
        assert looking.originals == looking.published == {"4.png": 1, "5.png": 1}

    def test_what_changed_meanwhile_is_measured_again(self, looking: Looking, folders: tuple[Path, Path]):
        originals, published = folders
        looking.stop_after = 4
        with pytest.raises(KeyboardInterrupt):
            audited(*folders)
        looking.originals.clear()
        looking.stop_after = None
        (someone,) = people(1, seed=9)[0]
        save_faces(published / "1.png", at_rank(someone, 3))
        save_faces(originals / "2.png", someone)
        (originals / "0.png").unlink()
        found = audited(*folders).document["sets"][0]
        assert looking.originals == {"1.png": 1, "2.png": 1, "4.png": 1, "5.png": 1}
        assert found["counts"]["photos"] == {"originals": 5, "published": 6, "audited": 5}
        assert [finding["kind"] for finding in found["counts"]["findings"]] == ["extra"]

    def test_nothing_is_left_behind_at_the_end_and_an_interrupted_state_is_private(
        self, looking: Looking, folders: tuple[Path, Path]
    ):
        looking.stop_after = 2
        with pytest.raises(KeyboardInterrupt):
            audited(*folders)
        (state,) = stores()
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        looking.stop_after = None
        audited(*folders)
        assert not stores()

    def test_another_level_seed_or_set_does_not_take_up_what_was_measured(
        self, looking: Looking, folders: tuple[Path, Path]
    ):
        looking.stop_after = 4
        with pytest.raises(KeyboardInterrupt):
            audited(*folders)
        looking.stop_after = None
        looking.originals.clear()
        audit(folders[0], [folders[1]], AuditOptions(k_level=2, against=("net",)))
        assert looking.originals.total() == 6

    def test_two_audits_of_one_set_do_not_run_at_once(
        self, looking: Looking, folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ):
        first_look = looking.photo

        def meanwhile(*arguments: Any, **named: Any) -> Any:
            monkeypatch.setattr(audited_folders, "measure_photo", first_look)
            with pytest.raises(UsageError, match="running already"):
                audited(*folders)
            return first_look(*arguments, **named)

        monkeypatch.setattr(audited_folders, "measure_photo", meanwhile)
        assert audited(*folders).document["sets"][0]["counts"]["faces"] == 6

    def test_people_of_another_folder_are_not_taken_over_from_an_interrupted_audit(
        self, looking: Looking, folders: tuple[Path, Path], tmp_path: Path
    ):
        originals, _ = folders
        for name, photo in (("ann", "0.png"), ("bob", "1.png")):
            target = tmp_path / name / name / "x.png"
            target.parent.mkdir(parents=True)
            target.write_bytes((originals / photo).read_bytes())

        def stop(done: int, total: int, photo: str) -> None:
            if done == total:
                raise KeyboardInterrupt

        options = AuditOptions(k_level=5, against=("net",), people=tmp_path / "ann")
        with pytest.raises(KeyboardInterrupt):
            audit(originals, [folders[1]], options, progress=stop)
        found = audited(*folders, people=tmp_path / "bob")
        assert sorted({face.person for face in found.faces} & {"ann", "bob"}) == ["bob"]

    def test_progress_counts_every_photo(self, looking: Looking, folders: tuple[Path, Path]):
        seen: list[tuple[int, int, str]] = []
        options = AuditOptions(k_level=5, against=("net",))
        audit(folders[0], [folders[1]], options, progress=lambda *progress: seen.append(progress))
        assert seen == [(i + 1, 6, f"{i}.png") for i in range(6)]
