"""Folder runs with a stand-in for the attack: what is tested is the journal, the tree and the draw."""

import os
import signal
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fakes import FakeProtector, FakeWork, K, KilledError, run_photos, save_photo, tree

from deid.audit.provenance import made_by
from deid.batch import commit as committing
from deid.batch import folder
from deid.batch.journal import Journal, journal_path
from deid.errors import CannotWrite, UsageError
from deid.images.photo import read_photo
from deid.protection.profiles import PROFILES
from deid.types import Options


def test_the_tree_is_mirrored_and_every_photo_accounted_for(photos: Path, attack: FakeWork) -> None:
    result = run_photos(photos)
    assert result.counts == {"protected": 12, "no-face": 1, "unreadable": 1}
    assert len(result.photos) == 14
    assert set(tree(photos.parent / "out")) == {f"album{i % 3}/p{i:02d}.png" for i in range(12)}
    assert result.pmf.keys() == {str(k) for k in range(2, K + 2)}
    assert sum(result.pmf.values()) == pytest.approx(1)
    assert max(result.pmf.values()) <= 3 / 12


def test_run_again_is_skip_and_nothing_is_done_twice(photos: Path, attack: FakeWork) -> None:
    first = run_photos(photos)
    second = run_photos(photos)
    assert second.counts == {"skipped": 12, "no-face": 1, "unreadable": 1}
    assert second.pmf == first.pmf
    assert {calls for path, calls in attack.calls.items() if path != "broken.jpg"} == {1}


STEPS = [
    (Journal, "add_found"), (Journal, "reserve"), (Journal, "intend"), (Journal, "finish"),
    (committing, "write_atomically"), (folder, "work"),
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("home", "step"), STEPS)
@pytest.mark.parametrize("at", [1, 4])
def test_a_run_interrupted_anywhere_ends_as_an_uninterrupted_one(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch, home: object, step: str, when: str, at: int
) -> None:
    real, calls = getattr(home, step), 0

    def interrupted(*arguments: object, **keywords: object) -> object:
        nonlocal calls
        calls += 1
        if calls == at and when == "before":
            raise KilledError
        value = real(*arguments, **keywords)
        if calls == at:
            raise KilledError
        return value

    with monkeypatch.context() as patch:
        patch.setattr(home, step, interrupted)
        with pytest.raises(KilledError):
            run_photos(photos)
    result = run_photos(photos)
    outcomes = Counter(photo.outcome for photo in result.photos)
    assert outcomes["protected"] + outcomes["skipped"] == 12
    assert max(result.pmf.values()) <= 3 / 12
    assert set(tree(photos.parent / "out").values()) == {f"protected p{i:02d}.png".encode() for i in range(12)}
    assert sum(attack.calls.values()) - len(attack.calls) <= 1  # at most the photo in flight was done again
    assert not list((photos.parent / "out").rglob("*.part"))


def test_a_killed_process_resumes(photos: Path, attack: FakeWork, tmp_path: Path) -> None:
    program = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import fakes as t
from pathlib import Path
from deid.batch import commit as committing
from deid.batch import folder
fake = t.FakeWork()
def slow(*a, **k):
    done = fake(*a, **k)
    print("step", flush=True)
    time.sleep(0.1)
    return done
folder.work = slow
t.run_photos(Path({str(photos)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ)
    for _ in range(5):
        process.stdout.readline()
    with pytest.raises(UsageError, match="another run"):
        run_photos(photos)
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = run_photos(photos)
    outcomes = Counter(photo.outcome for photo in result.photos)
    assert outcomes["protected"] + outcomes["skipped"] == 12
    assert outcomes["skipped"] >= 3
    assert len(tree(photos.parent / "out")) == 12


def test_failures_give_their_k_back_and_are_tried_again(photos: Path, attack: FakeWork) -> None:
    attack.failing = {"p00.png", "p05.png"}
    result = run_photos(photos)
    assert result.counts["failed"] == 2
    assert max(result.pmf.values()) <= 2 / 10 + 1e-9
    assert len(tree(photos.parent / "out")) == 10
    attack.failing = set()
    assert run_photos(photos).counts == {"skipped": 10, "protected": 2, "no-face": 1, "unreadable": 1}


def test_within_a_person_the_ranks_are_even(photos: Path, attack: FakeWork) -> None:
    for i in range(12, 32):
        save_photo(photos / "more" / f"p{i}.png", 1 + i % 4)
    result = run_photos(photos)
    ranks: dict[int, Counter[int | None]] = {}
    for photo in result.photos:
        for face in photo.faces:
            person = int(read_photo(Path(photo.input)).pixels[0, 0, 0])
            ranks.setdefault(person, Counter())[face.rank_after] += 1
    for counts in ranks.values():
        spread = [counts[k] for k in range(2, K + 2)]
        assert max(spread) - min(spread) <= 1


def test_changed_inputs_and_lost_outputs_are_done_again(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    save_photo(photos / "album0" / "p00.png", 4)
    (photos.parent / "out" / "album1" / "p01.png").unlink()
    result = run_photos(photos)
    assert result.counts == {"skipped": 10, "protected": 2, "no-face": 1, "unreadable": 1}
    assert attack.calls["p00.png"] == attack.calls["p01.png"] == 2


def test_a_foreign_output_is_left_alone(photos: Path, attack: FakeWork) -> None:
    foreign = photos.parent / "out" / "album0" / "p00.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    result = run_photos(photos)
    assert result.counts["failed"] == 1
    assert foreign.read_bytes() == b"mine"
    assert "overwrite" in next(p.message for p in result.photos if p.outcome == "failed")
    assert run_photos(photos, overwrite=True).counts["protected"] == 1
    assert foreign.read_bytes() != b"mine"


def test_two_photos_for_one_name_are_not_one_file(photos: Path, attack: FakeWork) -> None:
    save_photo(photos / "album0" / "p00.gif", 2)
    result = run_photos(photos)
    (failed,) = [photo for photo in result.photos if photo.outcome == "failed"]
    assert "same name" in failed.message
    assert len(tree(photos.parent / "out")) == 12


def test_what_cannot_be_written_is_an_outcome_and_tried_again(
    photos: Path, attack: FakeWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise CannotWrite("the name is too long")

    with monkeypatch.context() as patch:
        patch.setattr(committing, "write_atomically", refused)
        result = run_photos(photos)
    assert result.counts == {"failed": 12, "no-face": 1, "unreadable": 1}
    assert tree(photos.parent / "out") == {} if (photos.parent / "out").exists() else True
    assert run_photos(photos).counts["protected"] == 12


def test_the_journal_is_private_and_elsewhere(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    path = journal_path(photos.parent / "out")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(file.suffix == ".sqlite" for file in (photos.parent / "out").rglob("*"))
    assert photos.parent / "out" not in path.parents


def test_another_configuration_is_another_run(photos: Path, attack: FakeWork) -> None:
    run_photos(photos)
    with pytest.raises(UsageError, match="method was feature-level"):
        run_photos(photos, method="i-fgvm")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_journal_names_all_that_a_run_attacks(tmp_path: Path, profile: str) -> None:
    (tmp_path / "photos").mkdir()
    folder.protect_folder(tmp_path / "photos", tmp_path / "out", Options(profile=profile))
    found = made_by(tmp_path / "out")
    assert found is not None
    assert set(found.surrogates) == {"lightcnn9", *PROFILES[profile].further_surrogates}


@pytest.mark.parametrize("output", [".", "inner", ".."])
def test_input_and_output_need_two_places(photos: Path, attack: FakeWork, output: str) -> None:
    with pytest.raises(UsageError, match="two places"):
        folder.protect_folder(photos, photos / output, Options(), protector=FakeProtector(Options()))


def test_progress_counts_every_photo(photos: Path, attack: FakeWork) -> None:
    seen = []
    asked = Options(seed=1)
    folder.protect_folder(
        photos, photos.parent / "o", asked, protector=FakeProtector(asked), progress=lambda *a: seen.append(a[:2])
    )
    assert seen == [(i, 14) for i in range(1, 15)]


@pytest.mark.parametrize("kept", [False, True])
def test_the_date_of_a_photo_is_kept_with_its_metadata(photos: Path, attack: FakeWork, kept: bool) -> None:
    changed = 1_000_000_000_123_456_789
    for photo in photos.rglob("*.png"):
        os.utime(photo, ns=(changed, changed))
    run_photos(photos, keep_metadata=kept)
    dates = {file.stat().st_mtime_ns for file in (photos.parent / "out").rglob("*.png")}
    assert (dates == {changed}) == kept
