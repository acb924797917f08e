"""Faces that no attack protects, blurred or pixelated instead where the user asks for that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image

from deid.app import words
from deid.batch.folder import protect_folder
from deid.commands import main as cli
from deid.commands.summaries import photo_summary
from deid.errors import UsageError
from deid.faces.detect import detect_faces
from deid.faces.face import Face
from deid.faces.obfuscation import OBFUSCATIONS, STRENGTHS
from deid.faces.orientation import upright_in
from deid.faces.paste import paste
from deid.images.photo import decode_photo, read_photo
from deid.methods import STRONGEST
from deid.protection import fallback
from deid.protection.attempt import Attempt
from deid.protection.enrollment import FoundFace
from deid.protection.fallback import fall_back
from deid.protection.pipeline import protect
from deid.protection.profiles import PROFILES
from deid.protection.protector import load_protector
from deid.protection.rounds import run_rounds
from deid.protection.task import PhotoTask, task_of
from deid.protection.verification import FaceCheck
from deid.recognizers.recognizer import embed_faces
from deid.types import FaceResult, Options, PhotoResult

Two = tuple[PhotoTask, Attempt]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Two:
    """Two protected people."""
    path = tmp_path_factory.mktemp("two") / "two.png"
    hopper = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).resize((300, 353))
    pixels = np.full((400, 650, 3), 90, np.uint8)
    pixels[:353, :300], pixels[:, 350:] = hopper, astronaut[:400, 50:350]
    Image.fromarray(pixels).save(path)
    protector = load_protector(Options(profile="paper", fallback="blur"))
    photo = read_photo(path)
    task = task_of(photo, protector.find(photo).faces, [2, 2], protector, "PNG")
    return task, run_rounds(task)


@pytest.fixture
def hopeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No attack gets anywhere."""
    monkeypatch.setitem(PROFILES, "paper", replace(PROFILES["paper"], steps=(0,)))


@pytest.fixture
def photo(tmp_path: Path, astronaut: np.ndarray) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut[:300, 50:400]).save(path)
    return path


def at_rank(check: FaceCheck, rank: int) -> FaceCheck:
    return replace(check, observations=tuple(replace(seen, ranks=((rank,),)) for seen in check.observations))


def test_only_what_failed_is_hidden_and_the_others_keep_their_perturbation(two: Two) -> None:
    task, attempt = two
    assert fall_back(task, attempt, "blur") is attempt
    failed = replace(attempt, checks=(attempt.checks[0], at_rank(attempt.checks[1], 1)))
    hidden = fall_back(task, failed, "blur")
    assert list(hidden.hidden) == [1]
    assert hidden.checks[0].published.ranks == ((2,),)
    assert hidden.checks[1].published.ranks[0][0] > 1
    before, after = decode_photo(attempt.data).pixels, decode_photo(hidden.data).pixels
    assert np.array_equal(after[:, :320], before[:, :320])
    blurred, face = task.photo.pixels.copy(), task.found[1].face
    for landmarks in (face.landmarks, upright_in(face.box)):
        OBFUSCATIONS["blur"](blurred, landmarks, strength=hidden.hidden[1])
    assert np.array_equal(after[:, 350:], blurred[:, 350:])


def test_it_grows_to_the_strongest_and_then_attacks_what_still_fails(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    task, attempt = two
    used: list[float] = []
    monkeypatch.setitem(OBFUSCATIONS, "pixelate", lambda pixels, landmarks, *, strength: used.append(strength))
    failed = replace(attempt, checks=(attempt.checks[0], at_rank(attempt.checks[1], 1)))
    monkeypatch.setattr(fallback, "verify", lambda *_: failed.checks)
    ended = fall_back(task, failed, "pixelate")
    assert used[::2] == used[1::2] == [10, 20, 40, STRONGEST, STRONGEST]
    assert ended.hidden == {1: STRONGEST}
    assert ended.checks[1].published.ranks[0][0] > 1
    assert ended.evaluations[0] == attempt.evaluations[0]
    assert ended.evaluations[1] > attempt.evaluations[1]
    before, after = decode_photo(attempt.data).pixels, decode_photo(ended.data).pixels
    assert np.array_equal(after[:, :320], before[:, :320])


def test_the_blur_of_a_face_cut_off_by_the_edge_is_attacked(tmp_path: Path, astronaut: np.ndarray) -> None:
    """Most of the aligned face lies outside the photo, and what little is inside looks alike when it is blurred."""
    left, top = 262, 40
    Image.fromarray(astronaut[top:320, left:480]).save(tmp_path / "edge.png")
    photo, protector = read_photo(tmp_path / "edge.png"), load_protector(Options(profile="paper", fallback="blur"))
    (whole,) = detect_faces(astronaut)
    landmarks, box = whole.landmarks - (left, top), tuple(np.subtract(whole.box, (left, top, left, top)))
    face = Face(box, landmarks, whole.probability)
    found = [FoundFace(face, embed_faces(protector.recognizer, photo.pixels, [landmarks])[0], None)]
    task = task_of(photo, found, [3], protector, "PNG")
    failed = run_rounds(replace(task, profile=replace(task.profile, steps=(0,))))
    assert (failed.checks[0].published.ranks, failed.evaluations) == (((1,),), (0,))
    hidden = fall_back(task, failed, "blur")
    assert hidden.hidden == {0: STRONGEST}
    assert hidden.checks[0].published.ranks[0][0] > 1
    assert hidden.evaluations[0] > 0
    assert hidden.attacks == (("blur", "k-a3"),)
    covered, after = photo.pixels.copy(), decode_photo(hidden.data).pixels.astype(int)
    for points in (landmarks, upright_in(box)):
        OBFUSCATIONS["blur"](covered, points, strength=STRONGEST)
    inside = np.any(covered != photo.pixels, 2)
    assert np.array_equal(after[:, 100:], photo.pixels[:, 100:])
    assert np.abs(after - covered)[inside].mean() < 0.2 * np.abs(after - photo.pixels)[inside].mean()


@pytest.mark.parametrize("rank", [1, 5])
def test_a_face_that_a_hidden_one_disturbs_is_attacked_anew(
    two: Two, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, attempt = two
    first, second = attempt.checks
    monkeypatch.setattr(fallback, "verify", lambda *_: [at_rank(first, rank), second])
    failed = replace(attempt, checks=(first, at_rank(second, 1)))
    ended = fall_back(task, failed, "blur")
    assert list(ended.hidden) == [1]
    assert ended.checks[0].published.ranks == ((2,),)
    assert ended.evaluations[0] > attempt.evaluations[0]
    expected = task.photo.pixels.copy()
    paste(expected, ended.noise[0], task.chain.transforms[0], task.chain.patches[0].region)
    assert np.array_equal(decode_photo(ended.data).pixels[:, :320], expected[:, :320])
    assert ended.checks[1].published.ranks[0][0] > 1
    assert ended.evaluations[1] == attempt.evaluations[1]


def test_and_hidden_too_if_that_does_not_help(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    task, attempt = two
    first, second = attempt.checks
    answers = iter([[at_rank(first, 1), second], [first, second]])
    monkeypatch.setattr(fallback, "verify", lambda *_: next(answers))
    in_vain = replace(attempt, checks=(at_rank(first, 1), second))
    monkeypatch.setattr(fallback, "run_rounds", lambda *_: in_vain)
    failed = replace(attempt, checks=(first, at_rank(second, 1)))
    ended = fall_back(task, failed, "blur")
    assert ended.hidden == dict.fromkeys((1, 0), STRENGTHS["blur"])


@pytest.mark.parametrize("box", [(40, 30, 100, 110), (150, 20, 230, 110), (-30, 60, 50, 130)])
def test_all_of_the_detected_box_is_hidden_also_at_the_edge(box: tuple[float, float, float, float]) -> None:
    """A pixel of the box keeps nothing of itself: two photos that differ there alone look the same afterwards."""
    rows, columns = np.mgrid[:160, :200]
    inside = (columns >= box[0]) & (columns < box[2]) & (rows >= box[1]) & (rows < box[3])
    flat, noisy = np.full((160, 200, 3), 128, np.uint8), np.full((160, 200, 3), 128, np.uint8)
    noisy[inside] = np.random.default_rng(0).choice([64, 192], (inside.sum(), 1))
    for pixels in (flat, noisy):
        OBFUSCATIONS["blur"](pixels, upright_in(box), strength=16.0)
    assert np.abs(noisy.astype(int) - flat)[inside].max() < 16  # 64 before


def test_a_photo_that_failed_is_written_with_its_face_blurred(photo: Path, capsys, hopeless: None) -> None:
    output, command = photo.with_name("out.png"), ["photo", str(photo), "--profile", "paper"]
    assert cli.run([*command, "-o", str(output)]) == 4
    assert not output.exists()
    assert "nothing was written; --fallback hides a face that cannot be protected" in capsys.readouterr().out
    assert cli.run([*command, "-o", str(output), "--fallback", "blur"]) == 0
    out = capsys.readouterr().out
    assert "face 1: blurred instead, no longer matched by " in out
    assert "Ranks are not controlled by blur; protection is against" in out
    assert np.any(np.asarray(Image.open(output)) != np.asarray(Image.open(photo)))


def test_the_record_names_the_fallback_and_claims_no_rank(photo: Path, hopeless: None) -> None:
    result = protect(photo, photo.with_name("out.png"), Options(profile="paper", fallback="pixelate"))
    (face,) = result.to_json()["faces"]
    assert (result.outcome, result.method) == ("protected", "k-a3")
    assert (face["fallback"], face["k"], face["exact"]) == ("pixelate", None, False)
    assert face["attack"] == "pixelate"
    assert face["rank_after"] > 1


def test_a_protected_face_needs_no_fallback(photo: Path) -> None:
    options = Options(profile="paper", seed=7, fallback="blur")
    (face,) = protect(photo, photo.with_name("out.png"), options).faces
    assert (face.outcome, face.fallback, face.exact) == ("protected", None, True)


def test_a_folder_run_again_with_a_fallback_repairs_what_failed(
    photo: Path, tmp_path: Path, capsys, hopeless: None
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "published"
    photos.mkdir()
    photo.rename(photos / "one.png")
    assert protect_folder(photos, out, Options(profile="paper")).counts == {"failed": 1}
    command = ["folder", str(photos), str(out), "--profile", "paper"]
    assert cli.run([*command, "--fallback", "blur"]) == 0
    assert "faces that k-a3 could not protect: 1 blurred instead" in capsys.readouterr().out
    assert protect_folder(photos, out, Options(profile="paper")).counts == {"skipped": 1}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (Options(fallback="paint"), "no fallback called paint: there are blur, pixelate"),
        (
            Options(method="blur", fallback="pixelate"),
            "a fallback is for feature-level and k-a3 and i-fgvm, not for blur",
        ),
    ],
)
def test_fallbacks_that_make_no_sense_are_refused(options: Options, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        load_protector(options)


def test_what_was_tried_is_not_suggested_again() -> None:
    box = (0.0, 0.0, 9.0, 9.0)
    fine = FaceResult(box, "itself", "protected", 3, True, 1, 3)
    failed, hidden = (
        FaceResult(box, "itself", "failed", k, False, 1, 1, fallback=by) for k, by in ((4, None), (None, "blur"))
    )
    for second, hinted in ((failed, True), (hidden, False)):
        result = PhotoResult("in", None, "failed", "stranger", "feature-level", 5, (fine, second), message="in: face 2")
        assert ("--fallback" in photo_summary(result, None)[-1]) == hinted
        assert ("be blurred" in words.why_not(result)) == hinted
