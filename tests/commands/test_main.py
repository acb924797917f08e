"""The command line: what is printed where, and what it exits with; the work itself is faked."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deid.commands import main as cli
from deid.errors import CannotWrite, CheckpointError, OutputExists, UnsupportedFormat, UsageError
from deid.types import FaceResult, FolderResult, Options, Outcome, PhotoResult, PossibleFace

SENTENCE = "The true identity is still among the first 6 candidates, by design"
FACE = FaceResult(
    box=(10.0, 20.0, 110.0, 140.0),
    identity="itself",
    outcome="protected",
    k=4,
    exact=True,
    rank_before=1,
    rank_after=4,
    matches_at_far_1e_2=True,
    ssim=0.9651,
    psnr=float("inf"),
)


POSSIBLE = PossibleFace((1.0, 2.0, 3.0, 4.0), 0.31)


def a_result(outcome: Outcome = "protected", *, faces: Sequence[FaceResult] = (FACE,), **more: Any) -> PhotoResult:
    output = "out.png" if outcome == "protected" else None
    record = {
        "input": "in.png",
        "output": output,
        "profile": "paper",
        "method": "k-a3",
        "k_level": 5,
        "weights": {"lightcnn9": "0" * 64},
    } | more
    return PhotoResult(outcome=outcome, faces=tuple(faces), **record)


@pytest.fixture
def protect(monkeypatch: pytest.MonkeyPatch) -> Callable[[PhotoResult | BaseException], list[tuple[Any, ...]]]:
    """Make `deid photo` get this result, or this error; returns the list that each call's arguments go to."""

    def answer_with(answer: PhotoResult | BaseException) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []

        def fake(source: Path, target: Path | None, options: Options) -> PhotoResult:
            calls.append((source, target, options))
            print("a library's chatter")
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr("deid.protection.pipeline.protect", fake)
        return calls

    return answer_with


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["protected"], 0),
        (["protected", "skipped"], 0),
        (["skipped"], 0),
        (["protected", "no-face"], 0),
        (["no-face"], 3),
        (["no-face", "no-face"], 3),
        ([], 3),
        (["no-face", "unreadable"], 5),
        (["protected", "unreadable"], 5),
        (["protected", "unreadable", "failed"], 4),
        (["failed", "no-face"], 4),
    ],
)
def test_exit_code(outcomes: list[Outcome], code: int) -> None:
    assert cli.exit_code([a_result(outcome) for outcome in outcomes]) == code


def test_an_unverified_photo_that_was_written_is_still_unverified(protect, capsys) -> None:
    face = FaceResult(box=FACE.box, identity="itself", outcome="failed", k=4, rank_before=1, rank_after=1)
    calls = protect(a_result("failed", faces=[face], output="out.png", message="in.png: face 1 is still at rank 1"))
    assert cli.run(["photo", "in.png", "--write-unverified"]) == 4
    assert calls[0][2].write_unverified
    out, err = capsys.readouterr()
    assert "NOT PROTECTED, rank 1 → 1 of 1,001 (asked for 4)" in out
    assert "written although not verified: out.png" in out
    assert err.splitlines()[-1] == "deid: in.png: face 1 is still at rank 1"


def test_the_summary_of_a_photo(protect, capsys) -> None:
    spare = FaceResult(box=FACE.box, identity="", outcome="skipped")
    protect(a_result(faces=[FACE, spare]))
    assert cli.run(["photo", "in.png"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "face 1: rank 1 → 4 of 1,001, SSIM 0.965, compared one to one with the clean photo "
        "it still matches at FAR 1e-2",
        "face 2: left as it was",
        "saved and verified: out.png",
        "a face that is not listed here was not found: it is as it was",
        f"{SENTENCE}; protection is against {Options().recognizer}, other recognizers may still match.",
    ]
    assert err.splitlines()[0] == "protecting in.png"


def test_the_summary_names_all_that_were_attacked(protect, capsys) -> None:
    protect(a_result(profile="transfer", weights={"one": "1", "two": "2", "three": "3"}))
    assert cli.run(["photo", "in.png", "--profile", "transfer"]) == 0
    assert "protection is against one, two and three, other recognizers may" in capsys.readouterr().out


def test_the_summary_counts_the_identities_that_are_no_candidates_any_more(protect, capsys) -> None:
    protect(a_result(profile="transfer", faces=[replace(FACE, rank_after=431), replace(FACE, rank_after=6)]))
    assert cli.run(["photo", "in.png", "--profile", "transfer"]) == 0
    out = capsys.readouterr().out
    assert "rank 1 → 431 of 1,001 (asked for 4)" in out
    assert "The true identity of 1 of 2 faces is beyond the first 6 candidates; protection" in out


def test_a_face_that_a_blur_does_not_hide_needs_a_stronger_one(protect, capsys) -> None:
    face = FaceResult(box=FACE.box, identity="itself", outcome="failed", rank_before=1, rank_after=1)
    protect(a_result("failed", faces=[face], method="blur"))
    assert cli.run(["photo", "in.png", "--method", "blur"]) == 4
    hint = "nothing was written; a higher --strength hides more, --except leaves one out"
    assert hint in capsys.readouterr().out.splitlines()


def test_the_summary_tells_which_attack_ran_where_it_is_not_the_one_asked_for(protect, capsys) -> None:
    protect(
        a_result(profile="transfer", faces=[replace(FACE, attack="feature-level, k-a3"), replace(FACE, attack="k-a3")])
    )
    assert cli.run(["photo", "in.png", "--profile", "transfer"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "rank 1 → 4 of 1,001, by feature-level, k-a3, SSIM 0.965" in first
    assert "by" not in second


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (1, "1 possible face left as it is: look at it (deid faces in.png shows it, --faces 'all,?1' takes it in)"),
        (2, "2 possible faces left as they are: look at them (deid faces in.png shows them, "
            "--faces 'all,?1' takes one in)"),
    ],
)  # fmt: skip
def test_the_summary_ends_with_possible_faces(protect, capsys, count: int, line: str) -> None:
    protect(a_result(possible=(POSSIBLE,) * count))
    assert cli.run(["photo", "in.png"]) == 0
    *_, saved, not_listed, possible, _ = capsys.readouterr().out.splitlines()
    assert saved == "saved and verified: out.png"
    assert not_listed == "a face that is not listed here was not found: it is as it was"
    assert possible == line
    protect(a_result("failed", faces=[replace(FACE, outcome="failed")], possible=(POSSIBLE,) * count))
    assert cli.run(["photo", "in.png"]) == 4
    assert line in capsys.readouterr().out.splitlines()


def test_only_possible_faces_are_no_face_and_the_photo_can_be_named_to_a_shell(protect, capsys) -> None:
    protect(a_result("no-face", faces=[], input="my photo.png", possible=(POSSIBLE,), message="my photo.png: none"))
    assert cli.run(["photo", "my photo.png", "--sure", "0.8"]) == 3
    out, err = capsys.readouterr()
    assert "(deid faces 'my photo.png' --sure 0.8 shows it," in out
    assert err.splitlines()[-1] == "deid: my photo.png: none"


def test_json_is_one_document_and_nothing_else(protect, capsys) -> None:
    protect(a_result())
    assert cli.run(["photo", "in.png", "--json"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["faces"][0]["rank_after"] == 4
    assert document["faces"][0]["psnr"] is None  # infinite, which JSON cannot say
    assert set(document) == set(a_result().to_json())


@pytest.mark.parametrize(("outcome", "code"), [("no-face", 3), ("unreadable", 5), ("failed", 4)])
def test_a_photo_that_fails_is_a_document_too(protect, capsys, outcome: Outcome, code: int) -> None:
    protect(a_result(outcome, faces=[], message="in.png: why it failed"))
    assert cli.run(["photo", "in.png", "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["outcome"] == outcome
    assert err.splitlines()[-1] == "deid: in.png: why it failed"


def test_options_arrive(protect, tmp_path: Path) -> None:
    calls = protect(a_result())
    arguments = "photo in.png -o out.jpg -k 7 --method i-fgvm --profile robust --faces 1,3 --seed 9 --overwrite"
    more = ["--keep-metadata", "--keep-position", "--quality", "80", "--people", str(tmp_path), "--device", "cpu"]
    assert cli.run(arguments.split() + more) == 0
    (source, target, options) = calls[0]
    assert (source, target) == (Path("in.png"), Path("out.jpg"))
    assert options == Options(
        k_level=7,
        method="i-fgvm",
        profile="robust",
        faces="1,3",
        people=tmp_path,
        seed=9,
        quality=80,
        keep_metadata=True,
        keep_position=True,
        overwrite=True,
        device="cpu",
    )


def test_which_faces_arrives(protect) -> None:
    calls = protect(a_result())
    boxes = ["--box", "1,2,30,40@90", "--box", "-5,0,10.5,20"]
    assert cli.run(["photo", "in.png", "--faces", "all,?1", "--except", "2", "--sure", "0.3", *boxes]) == 0
    boxes = ("1,2,30,40@90", "-5,0,10.5,20")
    assert calls[0][2] == Options(faces="all,?1", excluded="2", sure=0.3, boxes=boxes)


def test_strength_arrives(protect) -> None:
    calls = protect(a_result())
    assert cli.run(["photo", "in.png", "--method", "blur", "--strength", "2.5"]) == 0
    assert calls[0][2] == Options(method="blur", strength=2.5)
    assert cli.run(["photo", "in.png", "--method", "blur", "--strength", "much"]) == 2


def test_a_hard_cap_arrives(protect) -> None:
    calls = protect(a_result())
    assert cli.run(["photo", "in.png", "--max-visibility", "0.8"]) == 0
    assert calls[0][2] == Options(max_visibility=0.8)


def test_a_fallback_arrives(protect) -> None:
    calls = protect(a_result())
    assert cli.run(["photo", "in.png", "--fallback", "blur"]) == 0
    assert calls[0][2] == Options(fallback="blur")


def test_defaults_are_those_of_the_api(protect) -> None:
    calls = protect(a_result())
    cli.run(["photo", "in.png"])
    assert calls == [(Path("in.png"), None, Options())]


def test_verbose_says_where_the_time_went(protect, capsys) -> None:
    protect(a_result(timing={"detect": 1.0, "attack": 1.0, "network": 6.0}))
    cli.run(["photo", "in.png", "--verbose", "--json"])
    out, err = capsys.readouterr()
    assert [line.split() for line in err.splitlines()[-6:-1]] == [
        ["attack", "7.00", "s", "88%"],
        ["network", "6.00", "s", "75%"],
        ["steps", "1.00", "s", "12%"],
        ["check", "1.00", "s", "12%"],
        ["detect", "1.00", "s", "12%"],
    ]
    assert err.splitlines()[-1].strip().startswith("gradient evaluations of the face that took most:")
    json.loads(out)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UsageError("K must be smaller"), 2, "deid: K must be smaller"),
        (OutputExists("out.png exists already"), 2, "deid: out.png exists already"),
        (UnsupportedFormat("no such suffix"), 2, "deid: no such suffix"),
        (CannotWrite("cannot write out.png: disk full"), 2, "deid: cannot write out.png: disk full"),
        (CheckpointError("weights are missing"), 1, "deid: weights are missing"),
        (ValueError("odd\nshape"), 1, "deid: internal error, please report: ValueError: odd shape"),
        (KeyboardInterrupt(), 130, "deid: interrupted"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_errors_are_one_line(protect, capsys, error, code: int, line: str, flags: list[str]) -> None:
    protect(error)
    assert cli.run(["photo", "in.png", *flags]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert [text for text in err.splitlines() if text.startswith("deid: ")] == [line]
    assert "Traceback" not in err


def test_a_traceback_on_request(protect, capsys, monkeypatch) -> None:
    monkeypatch.setenv("DEID_TRACEBACK", "1")
    protect(ValueError("odd"))
    assert cli.run(["photo", "in.png"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    ["photo", "photo in.png -k 0", "photo in.png -k x", "photo in.png --device gpu", "photo in.png --quality 101",
     "photo a b", "photo in.png --nonsense", "folder in", "phto", "weights", "train"],
)  # fmt: skip
def test_usage_errors(capsys, arguments: str) -> None:
    assert cli.run(arguments.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("deid: ")
    assert err.count("\n") == 1


def test_no_command_shows_the_help(capsys) -> None:
    assert cli.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("outcome", ["protected", "failed"])
def test_a_folder(monkeypatch, capsys, tmp_path: Path, outcome: Outcome) -> None:
    photos = (a_result(), a_result("no-face", faces=[], input="tree.png"), a_result(outcome, input="c.png"))
    result = FolderResult(photos, {"protected": 2, "no-face": 1}, {"4": 1.0}, 5)

    def fake(source: Path, target: Path, options: Options, *, progress: Callable[..., None]) -> FolderResult:
        for done, photo in enumerate(photos, 1):
            progress(done, len(photos), photo)
        return result

    monkeypatch.setattr("deid.batch.folder.protect_folder", fake)
    code = 0 if outcome == "protected" else 4
    assert cli.run(["folder", str(tmp_path), "out", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(result.to_json()).replace("Infinity", "null"))
    assert cli.run(["folder", str(tmp_path), "out"]) == code
    out, err = capsys.readouterr()
    assert "protecting [2/3] tree.png: no-face" in err.splitlines()
    assert "photos: 3 (2 protected, 1 no-face)" in out
    assert "tree.png: no face was found" in out
    assert "2 of 2 faces still match" in out
    assert out.count(SENTENCE) == 1
    assert ("deid: " in err) == bool(code)
    monkeypatch.setattr("deid.commands.audit.run", lambda *_, **__: ({"verdict": "violated"}, {}))
    assert cli.run(["folder", str(tmp_path), "out", "--report", f"{tmp_path}-report"]) == code
    assert "conditions of the audit, by all recognizers that are here: violated" in capsys.readouterr().out.splitlines()


def folder_lines(monkeypatch, capsys, folder: Path, photos: Sequence[PhotoResult], *arguments: str) -> list[str]:
    result = FolderResult(tuple(photos), {"protected": len(photos)}, {}, 5)
    monkeypatch.setattr("deid.batch.folder.protect_folder", lambda *_, **__: result)
    assert cli.run(["folder", str(folder), "out", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_folder_counts_possible_faces_and_names_their_photos(monkeypatch, capsys, tmp_path: Path) -> None:
    counts = {"a.jpg": 2, "b.jpg": 0, "c.jpg": 1}
    photos = [a_result(input=name, possible=(POSSIBLE,) * count) for name, count in counts.items()]
    first, second, *_ = folder_lines(monkeypatch, capsys, tmp_path, photos, "--sure", "0.7")
    assert first == "photos: 3 (3 protected); 3 possible faces in 2 of them left as they are: a.jpg and c.jpg"
    assert second == "deid faces PHOTO --sure 0.7 shows them, deid photo PHOTO --faces 'all,?1' takes one in"
    (first, *others) = folder_lines(monkeypatch, capsys, tmp_path, photos[1:])
    assert first == "photos: 2 (2 protected); 1 possible face in 1 of them left as it is: c.jpg"
    (first, *others) = folder_lines(monkeypatch, capsys, tmp_path, photos[1:2])
    assert first == "photos: 1 (1 protected)"
    assert not any("deid faces" in line for line in others)


@pytest.mark.parametrize(("photos", "names"), [(5, "0, 1, 2, 3 and 4"), (7, "0, 1, 2, 3, 4 and 2 more")])
def test_a_folder_names_a_few_photos_alone(monkeypatch, capsys, tmp_path: Path, photos: int, names: str) -> None:
    results = [a_result(input=str(n), possible=(POSSIBLE,)) for n in range(photos)]
    first = folder_lines(monkeypatch, capsys, tmp_path, results)[0]
    assert first.endswith(f"{photos} possible faces in {photos} of them left as they are: {names}")


@pytest.mark.parametrize("name", ["missing", "file.png"])
def test_a_folder_that_is_none(capsys, tmp_path: Path, name: str) -> None:
    (tmp_path / "file.png").touch()
    assert cli.run(["folder", str(tmp_path / name), "out"]) == 5
    assert f"{name}: " in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    program = "from deid.commands import output\nfor _ in range(9999): output.show('x' * 99)\noutput.say('done')"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == "done\n"
    assert process.wait() == 0
