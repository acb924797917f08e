"""The work on one photo of a folder: pure, picklable, and of the photo that was searched."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deid.batch import folder, plan
from deid.batch import work as working
from deid.batch.journal import Journal
from deid.batch.work import Job, work
from deid.faces import detect
from deid.faces.face import Face
from deid.images.photo import Photo, read_photo
from deid.protection.protector import Protector, load_protector
from deid.types import Options

OPTIONS = Options(profile="paper", k_level=1, seed=1)


@pytest.fixture(scope="module")
def protector() -> Protector:
    return load_protector(OPTIONS)


@pytest.fixture
def photos(tmp_path: Path, astronaut: np.ndarray) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(astronaut[:200, 130:330]).save(folder / "astronaut.png")
    return folder


@pytest.fixture
def job(photos: Path, protector: Protector, tmp_path: Path) -> Job:
    journal = Journal(tmp_path / "journal", {})
    plan.find_people_in(photos, Path("astronaut.png"), protector, journal)
    job = plan.plan_job(photos, Path("astronaut.png"), tmp_path / "out.png", OPTIONS, journal)
    journal.close()
    return job


def test_job_and_result_can_be_sent_to_another_process(job: Job, protector: Protector) -> None:
    sent = pickle.loads(pickle.dumps(job))
    done = work(sent, protector)
    assert done.result.outcome == "protected"
    assert done.result.faces[0].k == job.ks[0]
    assert pickle.loads(pickle.dumps(done)) == done
    assert not job.target.exists(), "nothing is written"
    assert work(job, protector).data == done.data, "a pure function of its job"


def test_a_photo_that_changed_since_it_was_searched_is_not_protected_by_what_was_found(
    job: Job, protector: Protector, astronaut: np.ndarray
) -> None:
    Image.fromarray(astronaut[:190, 130:330]).save(job.source)
    done = work(job, protector)
    assert (done.result.outcome, done.data) == ("failed", None)
    assert "has changed since its faces were looked for" in done.result.message


def test_a_photo_that_is_gone_is_unreadable(job: Job, protector: Protector) -> None:
    done = work(replace(job, source=job.source.with_name("gone.png")), protector)
    assert (done.result.outcome, done.data) == ("unreadable", None)


def test_a_photo_that_vanishes_once_it_was_read_is_unreadable(
    job: Job, protector: Protector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_and_gone(path: Path) -> Photo:
        photo = read_photo(path)
        path.unlink()
        return photo

    monkeypatch.setattr(working, "read_photo", read_and_gone)
    done = work(job, protector)
    assert (done.result.outcome, done.data) == ("unreadable", None)
    assert done.result.message == f"{job.source}: No such file or directory"


def test_a_clean_photo_is_searched_once(
    photos: Path, protector: Protector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = np.asarray(Image.open(photos / "astronaut.png"))
    searched, real = [], detect.mtcnn

    def counted(pictures: np.ndarray, **options: Any) -> list[list[Face]]:
        searched.append(bool((pictures[0] == clean).all()))
        return real(pictures, **options)

    monkeypatch.setattr(detect, "mtcnn", counted)
    result = folder.protect_folder(photos, tmp_path / "out", OPTIONS, protector=protector)
    assert result.counts == {"protected": 1}
    assert sum(searched) == 1
    assert len(searched) > 1, "the saved file is searched as well"
