"""The command line: what is printed where, and what it exits with; the work itself is faked."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deid.commands import main as cli
from deid.commands import output
from deid.errors import CannotWrite, CheckpointError, OutputExists, UnsupportedFormat, UsageError
from deid.protection.progress import Pace, Step
from deid.types import FaceResult, FolderResult, Opinion, Options, Outcome, PhotoResult, PossibleFace

SENTENCE = "The true identity is still among the first 6 candidates, by design"
DRAWN = "Where lightcnn9 is to put the true identity is drawn over its whole list"
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


FOUR = ("lightcnn9", "dlib-resnet", "mobilenet-vggface2", "mobilefacenet-arcface")
HELD = tuple(Opinion(name, "surrogate", 1, rank, False) for name, rank in zip(FOUR, (102, 219, 10, 312), strict=True))
OTHER = Opinion("facenet-casia", "independent", 1, 43, False)
STRANGER = {
    "profile": "stranger", "method": "feature-level", "weights": dict.fromkeys(FOUR, "0" * 64)
}  # fmt: skip
# Of face 3 alone: two steps of a round, and a look at the saved file.
STEPS = (
    Step(1, 1, (None,), (0,), (3,), Pace(1, 40)),
    Step(1, 2, (None,), (0,), (3,), Pace(2, 40, 11.6)),
    Step(1, 2, (7,), (), (3,)),
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

        def fake(
            source: Path, target: Path | None, options: Options, *, watcher: Callable[[Step], None]
        ) -> PhotoResult:
            calls.append((source, target, options))
            print("a library's chatter")
            for step in STEPS:
                watcher(step)
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
        "saved and verified, as profile paper asks: out.png",
        "a face that is not listed here was not found: it is as it was",
        f"{SENTENCE}; protection is against {Options().recognizer}, other recognizers may still match.",
    ]
    assert err.splitlines()[0] == "protecting in.png"


def test_each_recognizer_that_was_asked_has_its_line(protect, capsys) -> None:
    face = replace(FACE, k=3, exact=False, rank_after=102, matches_at_far_1e_2=False, recognizers=(*HELD, OTHER))
    protect(a_result(faces=[face], **STRANGER))
    assert cli.run(["photo", "in.png"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "face 1: no longer matched by any of 5 recognizers asked, SSIM 0.965",
        "  lightcnn9 (attacked): no longer matches, rank 1 → 102 of 1,001",
        "  dlib-resnet (attacked): no longer matches, rank 1 → 219 of 1,001",
        "  mobilenet-vggface2 (attacked): no longer matches, rank 1 → 10 of 1,001",
        "  mobilefacenet-arcface (attacked): no longer matches, rank 1 → 312 of 1,001",
        "  facenet-casia (not attacked, independent): no longer matches, rank 1 → 43 of 1,001",
        "saved and verified: out.png",
        "a face that is not listed here was not found: it is as it was",
        f"{DRAWN}; protection is against lightcnn9, dlib-resnet, mobilenet-vggface2 and mobilefacenet-arcface, other "
        "recognizers may still match. To match: compared one to one with the clean photo, at FAR 1e-2.",
    ]


def test_whoever_still_recognizes_a_face_comes_first_and_is_counted(protect, capsys) -> None:
    matching = replace(OTHER, rank_after=1, matches=True)
    face = replace(FACE, k=3, exact=False, rank_after=102, recognizers=(matching, *HELD))
    protect(a_result(faces=[face], **STRANGER))
    assert cli.run(["photo", "in.png"]) == 0
    first, second, third, *_ = capsys.readouterr().out.splitlines()
    assert first == "face 1: no longer matched by 4 of 5 recognizers asked; facenet-casia still matches, SSIM 0.965"
    assert second == (
        "  facenet-casia (not attacked, independent): still matches and still puts them first, rank 1 → 1 of 1,001"
    )
    assert third == "  lightcnn9 (attacked): no longer matches, rank 1 → 102 of 1,001"


@pytest.mark.parametrize("rank", [3, 4, 800])
def test_no_place_is_said_to_be_by_design_where_it_is_drawn_over_the_whole_list(protect, capsys, rank: int) -> None:
    for recognizers in ((), HELD):
        protect(a_result(faces=[replace(FACE, k=4, exact=False, rank_after=rank, recognizers=recognizers)], **STRANGER))
        assert cli.run(["photo", "in.png"]) == 0
        out = capsys.readouterr().out
        assert DRAWN in out
        for words in ("asked for", "elsewhere after handling", "by design", "candidates"):
            assert words not in out


def test_a_failed_face_is_no_success_whatever_was_seen_as_published(protect, capsys) -> None:
    face = replace(FACE, outcome="failed", recognizers=HELD)
    protect(a_result("failed", faces=[face], **STRANGER))
    assert cli.run(["photo", "in.png"]) == 4
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("face 1: NOT PROTECTED, as published no longer matched by any of 4 recognizers asked")


def test_of_a_blur_nothing_was_attacked(protect, capsys) -> None:
    asked = tuple(replace(opinion, kind="independent") for opinion in HELD)
    protect(a_result(faces=[replace(FACE, k=None, recognizers=asked)], **STRANGER | {"method": "blur"}))
    assert cli.run(["photo", "in.png", "--method", "blur"]) == 0
    out = capsys.readouterr().out
    assert "attacked" not in out
    assert "Ranks are not controlled by blur" in out


def test_the_paper_s_place_stands_beside_what_it_was_asked_for(protect, capsys) -> None:
    recognizers = (Opinion("dlib-resnet", "related", 1, 1, True), Opinion("lightcnn9", "surrogate", 1, 9, False))
    protect(a_result(faces=[replace(FACE, rank_after=9, recognizers=recognizers)]))
    assert cli.run(["photo", "in.png", "--profile", "paper"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == [
        "  dlib-resnet (not attacked, related to what was): still matches and still puts them first, "
        "rank 1 → 1 of 1,001",
        "  lightcnn9 (attacked): no longer matches, rank 1 → 9 of 1,001 (asked for 4)",
    ]


def test_progress_names_the_face_the_step_and_the_time_left(protect, capsys, monkeypatch) -> None:
    protect(a_result())
    assert cli.run(["photo", "in.png"]) == 0
    assert [line for line in capsys.readouterr().err.splitlines() if "round" in line] == [
        "face 3 · round 1, step 1 of 40",
        "face 3 (now at rank 7) · round 1, looking at the saved file",
    ]
    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", 0.0)
    assert cli.run(["photo", "in.png", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "face 3 · round 1, step 2 of 40 · at most 12 s left in this round" in err.splitlines()
    json.loads(out)


def test_on_a_terminal_progress_is_a_bar_that_goes(protect, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    protect(a_result())
    assert cli.run(["photo", "in.png"]) == 0
    out, err = capsys.readouterr()
    assert "saved and verified, as profile paper asks: out.png" in out.splitlines()
    assert "round 1" not in out
    assert "face 3 (now at rank 7) · round 1, looking at the saved file" in err
    assert "\x1b[2K" in err, "it is gone at the end"


def test_the_summary_names_all_that_were_attacked(protect, capsys) -> None:
    protect(a_result(**STRANGER | {"weights": {"one": "1", "two": "2", "three": "3"}}))
    assert cli.run(["photo", "in.png"]) == 0
    assert "protection is against one, two and three, other recognizers may" in capsys.readouterr().out


def test_the_summary_counts_the_identities_that_are_no_candidates_any_more(protect, capsys) -> None:
    protect(a_result(faces=[replace(FACE, rank_after=431), replace(FACE, rank_after=6)]))
    assert cli.run(["photo", "in.png", "--profile", "paper"]) == 0
    out = capsys.readouterr().out
    assert "rank 1 → 431 of 1,001 (asked for 4)" in out
    assert (
        "Of 1 of 2 faces the true identity is beyond the first 6 candidates; of 1 the true identity is still among the "
        "first 6 candidates, by design; protection is against"
    ) in out


def test_a_face_that_a_blur_does_not_hide_needs_a_stronger_one(protect, capsys) -> None:
    face = FaceResult(box=FACE.box, identity="itself", outcome="failed", rank_before=1, rank_after=1)
    protect(a_result("failed", faces=[face], method="blur"))
    assert cli.run(["photo", "in.png", "--method", "blur"]) == 4
    hint = "nothing was written; a higher --blur-size, up to 64, hides more, --except leaves one out"
    assert hint in capsys.readouterr().out.splitlines()


def test_the_summary_tells_which_attack_ran_where_it_is_not_the_one_asked_for(protect, capsys) -> None:
    protect(a_result(faces=[replace(FACE, attack="blur, k-a3"), replace(FACE, attack="k-a3")]))
    assert cli.run(["photo", "in.png", "--profile", "paper"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert "rank 1 → 4 of 1,001, by blur, k-a3, SSIM 0.965" in first
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
    assert saved == "saved and verified, as profile paper asks: out.png"
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


def test_json_says_what_each_recognizer_makes_of_a_face(protect, capsys) -> None:
    protect(a_result(faces=[replace(FACE, recognizers=(OTHER, *HELD))]))
    assert cli.run(["photo", "in.png", "--json"]) == 0
    (face,) = json.loads(capsys.readouterr().out)["faces"]
    assert face["recognizers"][0] == {
        "name": "facenet-casia", "class": "independent", "rank_before": 1, "rank_after": 43, "matches": False
    }  # fmt: skip
    assert len(face["recognizers"]) == 5


@pytest.mark.parametrize(("outcome", "code"), [("no-face", 3), ("unreadable", 5), ("failed", 4)])
def test_a_photo_that_fails_is_a_document_too(protect, capsys, outcome: Outcome, code: int) -> None:
    protect(a_result(outcome, faces=[], message="in.png: why it failed"))
    assert cli.run(["photo", "in.png", "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["outcome"] == outcome
    assert err.splitlines()[-1] == "deid: in.png: why it failed"


def test_options_arrive(protect, tmp_path: Path) -> None:
    calls = protect(a_result())
    arguments = "photo in.png -o out.jpg -k 7 --method i-fgvm --profile paper --faces 1,3 --seed 9 --overwrite"
    more = ["--keep-metadata", "--keep-position", "--quality", "80", "--people", str(tmp_path), "--device", "cpu"]
    assert cli.run(arguments.split() + more) == 0
    (source, target, options) = calls[0]
    assert (source, target) == (Path("in.png"), Path("out.jpg"))
    assert options == Options(
        k_level=7,
        method="i-fgvm",
        profile="paper",
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
    assert cli.run(["photo", "in.png", "--strength", "0.25"]) == 0
    assert calls[0][2] == Options(strength=0.25)
    assert cli.run(["photo", "in.png", "--strength", "much"]) == 2


def test_the_size_of_a_blur_arrives(protect) -> None:
    calls = protect(a_result())
    assert cli.run(["photo", "in.png", "--method", "blur", "--blur-size", "2.5"]) == 0
    assert calls[0][2] == Options(method="blur", blur_size=2.5)


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
    counts = "2 protected, 1 no-face" if outcome == "protected" else "1 protected, 1 failed, 1 no-face"
    result = FolderResult(photos, Counter(photo.outcome for photo in photos), {"4": 1.0}, 5)

    def fake(
        source: Path, target: Path, options: Options, *, progress: Callable[..., None], **asked: object
    ) -> FolderResult:
        assert asked == {"exclude": [], "copy_faceless": False}
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
    assert f"photos: 3 ({counts})" in out
    assert "tree.png: no face was found" in out
    assert "2 of 2 faces still match" in out
    assert out.count(SENTENCE) == 1
    assert ("deid: " in err) == bool(code)
    monkeypatch.setattr("deid.commands.audit.run", lambda *_, **__: ({"verdict": "violated"}, {}))
    assert cli.run(["folder", str(tmp_path), "out", "--report", f"{tmp_path}-report"]) == code
    assert "conditions of the audit, by all recognizers that are here: violated" in capsys.readouterr().out.splitlines()


def test_a_folder_of_the_default_says_who_is_first_and_among_the_first_and_lists_no_thousand_ranks(
    monkeypatch, capsys, tmp_path: Path
) -> None:
    faces = [replace(FACE, rank_after=rank, recognizers=HELD) for rank in (5, 812)]
    matched = replace(faces[0], recognizers=(replace(HELD[1], matches=True), HELD[0], *HELD[2:]))
    photos = [a_result(faces=[face], **STRANGER) for face in (*faces, matched)]
    result = FolderResult(tuple(photos), {"protected": 3}, {"5": 2 / 3, "812": 1 / 3}, 5)
    monkeypatch.setattr("deid.batch.folder.protect_folder", lambda *_, **__: result)
    assert cli.run(["folder", str(tmp_path), "out"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "lightcnn9 puts 0% of the faces first, 67% among its first 6" in lines
    assert (
        "compared one to one with the clean photo, at FAR 1e-2: no longer matched by 3 of 4 recognizers asked; "
        "dlib-resnet (1 of 3 faces) still matches"
    ) in lines
    assert "  lightcnn9 (attacked): still matches 0 of 3 faces, puts 0 of 3 first" in lines
    assert "  dlib-resnet (attacked): still matches 1 of 3 faces, puts 0 of 3 first" in lines
    assert lines[-1].startswith(DRAWN)
    assert not any("at each rank" in line or "by design" in line for line in lines)


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
